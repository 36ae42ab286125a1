"""Many sessions at once, while nothing else runs on the machine."""
from memory_systems import control, fixed_uri, memory_emulator, memory_system  # noqa: F401
