// Camera and microphone: a picture, or a recording up to the limit.

import { h } from "./html.js";

const TYPES = ["video/webm;codecs=vp8", "video/mp4", "audio/webm;codecs=opus", "audio/mp4"];

function sentence(error, device) {
  if (error.name === "NotFoundError" || error.name === "OverconstrainedError") {
    return `No ${device} was found; choose a file instead.`;
  }
  if (error.name === "NotAllowedError") {
    return `The browser was denied the ${device}; allow it in the address bar, or choose a file.`;
  }
  return `The ${device} cannot be used (${error.message}); choose a file instead.`;
}

export function recorder(device, most, take) {
  const camera = device === "camera";
  const screen = h("video", { muted: true, playsinline: true, hidden: true });
  screen.muted = true;
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const on = h("button", { type: "button", onclick: turnOn }, `Turn ${device} on`);
  const record = h("button", { type: "button", hidden: true, onclick: toggle }, "Record");
  const still = h("button", { type: "button", hidden: true, onclick: picture }, "Take a picture");
  const time = h("span", { role: "timer" });
  let stream = null, recording = null, ticking = null;

  async function turnOn() {
    problem.hidden = true;
    try {
      if (!navigator.mediaDevices) {
        throw new Error("browsers give it only to pages on this machine or over https");
      }
      const wanted = camera
        ? { video: { width: { ideal: 1280 }, frameRate: { ideal: 25 } } }
        : { audio: true };
      stream = await navigator.mediaDevices.getUserMedia(wanted);
    } catch (error) {
      problem.textContent = sentence(error, device);
      problem.hidden = false;
      return;
    }
    take(null);
    screen.hidden = !camera;
    if (camera) {
      screen.srcObject = stream;
      await screen.play(); // from now on there is a picture
    }
    on.hidden = true;
    record.hidden = false;
    still.hidden = !camera;
    record.focus();
  }

  function toggle() {
    if (recording) {
      recording.stop();
      return;
    }
    const type = TYPES.find((one) => one.startsWith(camera ? "video" : "audio")
                            && MediaRecorder.isTypeSupported(one));
    const parts = [];
    const made = new MediaRecorder(stream, type ? { mimeType: type } : {});
    recording = made;
    made.ondataavailable = (event) => parts.push(event.data);
    made.onstop = () => {
      const whole = new Blob(parts, { type: made.mimeType.split(";")[0] });
      const wanted = recording === made;
      leave();
      if (wanted && whole.size) take(whole);
    };
    made.start();
    record.textContent = "Stop";
    const began = Date.now();
    ticking = setInterval(() => {
      const seconds = (Date.now() - began) / 1000;
      time.textContent = `${seconds.toFixed(0)} s`;
      if (seconds > most - 0.5 && recording) recording.stop();
    }, 200);
  }

  function picture() {
    const canvas = h("canvas", { width: screen.videoWidth, height: screen.videoHeight });
    canvas.getContext("2d").drawImage(screen, 0, 0);
    canvas.toBlob((blob) => (leave(), take(blob)), "image/png");
  }

  // Turn the device off; what is being recorded is dropped.
  function leave() {
    clearInterval(ticking);
    const unfinished = recording;
    recording = null;
    if (unfinished?.state === "recording") unfinished.stop();
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    screen.srcObject = null;
    screen.hidden = record.hidden = still.hidden = true;
    record.textContent = "Record";
    time.textContent = "";
    on.hidden = false;
  }

  const buttons = h("div", { class: "row" }, on, record, still, time);
  return { element: h("div", {}, screen, buttons, problem), leave };
}
