"""The pages people look at: the quality site of the credit office and the credit report of one subject.

Promises: reads publish.*, quality.* and ops.*, writes only below settings.site and home/credit_reports; no page needs a network.
"""

from creditflow.report.credit_report import ReportRefused, subject
from creditflow.report.site import quality_figures, quality_site

quality = quality_site
"""The name by which the night and the `reports` DAG call the site."""

__all__ = ["ReportRefused", "quality", "quality_figures", "quality_site", "subject"]
