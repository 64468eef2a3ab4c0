from .compose import Asked as Asked
from .compose import compose as compose
from .directions import direction as direction
from .ov_alignment import ov_alignment as ov_alignment
from .ov_alignment import ov_alignment_controls as ov_alignment_controls
from .whole_steps import whole_steps as whole_steps
from .whole_steps import whole_steps_controls as whole_steps_controls
