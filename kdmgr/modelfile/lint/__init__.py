"""Everything that is wrong with a Modelfile, or hardly meant, with the place, the reason and where safe a fix."""

from kdmgr.modelfile.lint.findings import Finding, Fix, Surroundings, apply_fixes
from kdmgr.modelfile.lint.run import lint_modelfile
from kdmgr.modelfile.lint.sources import SourceFacts

__all__ = ["Finding", "Fix", "SourceFacts", "Surroundings", "apply_fixes", "lint_modelfile"]
