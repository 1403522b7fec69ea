"""What any model must beat. A baseline gives the outputs of the contract; what it cannot say is left out."""

from packager.teacher.baselines.climatology import Climatology
from packager.teacher.baselines.guidance import guidance
from packager.teacher.baselines.persistence import persistence, same_hour_yesterday
from packager.teacher.baselines.ridge import Ridge

__all__ = ["Climatology", "Ridge", "guidance", "persistence", "same_hour_yesterday"]
