"""What ``gateway doctor`` looks at. A check never raises; what it cannot find out is a finding."""

from gateway.cli.doctor.examine import examine
from gateway.cli.doctor.finding import Finding

__all__ = ["Finding", "examine"]
