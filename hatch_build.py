"""placeholder, replaced next."""
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
class AssetsHook(BuildHookInterface):
    pass
