"""What a template says, all references resolved."""

from local.template.intrinsics import TemplateError
from local.template.reader import read_template

__all__ = ["TemplateError", "read_template"]
