"""Sweeps with failing points."""

from test_run import tiny, train

from lipsync.failures import read_failures

SHORT = ["model=syncnet", "trainer.batches=2", "data.batch_size=2", "callbacks.pictures=null"]


def test_a_sweep_trains_the_points_after_those_that_fail(prepared, tmp_path):
    options = [*tiny(prepared, tmp_path), *SHORT, f"hydra.sweep.dir={tmp_path}"]
    options += ["hydra.sweeper.max_batch_size=1"]  # Hydra alone would stop at a failure
    done = train("-m", "model.optimizer.lr=low,1e-3", "model.min_gap=99,5", *options)
    assert done.returncode == 2
    input_s, programs = (
        "point 0 (model.optimizer.lr=low model.min_gap=99): model.min_gap=99: must be a whole "
        "number, 1 to 15",
        "point 1 (model.optimizer.lr=low model.min_gap=5): TypeError: ",
    )
    first, *lines = done.stderr.splitlines()
    assert first.startswith(f"error: {input_s}")
    assert done.stderr.count("Traceback") == 1  # of a bug in the program
    assert [line.strip()[:30] for line in lines[-4:]] == [
        "error: runs of the sweep faile",
        *(line[:30] for line in read_failures(tmp_path / "failed")),
    ]
    assert lines[-3].strip().startswith(input_s)
    assert lines[-2].strip().startswith(programs)
    assert (tmp_path / "3" / "checkpoints" / "last.ckpt").is_file()


def test_a_sweep_has_a_folder_of_its_own_where_none_is_given(tmp_path):
    options = ["model.optimizer.lr=1e-3", "logger.csv=null"]  # neither is swept
    done = train("-m", "model=syncnet", "model.min_gap=99,98", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert "point 1 (model.min_gap=98)" in done.stderr
    (failed,) = (tmp_path / "runs" / "syncnet-sample-sweep").glob("*/failed")
    assert len(read_failures(failed)) == 2
