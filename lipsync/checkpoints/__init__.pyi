from .bundled import bundled_models as bundled_models
from .files import fingerprint as fingerprint
from .loading import describe as describe
from .loading import load_model as load_model
from .loading import network_class as network_class
from .publishing import push_to_hub as push_to_hub
from .saving import export_official as export_official
from .saving import save_model as save_model
