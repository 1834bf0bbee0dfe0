"""The pages people look at: the quality site of the credit office and the credit report of one subject.

Promises: reads publish.*, quality.* and ops.*, writes only below settings.site and home/credit_reports; no page needs a network.
"""

from creditflow.report.credit_report import ReportRefused, subject
from creditflow.report.data_docs import NoSuchDelivery, data_docs
from creditflow.report.site import batch_page, quality_figures, quality_site

quality = quality_site
"""The name by which the night and the `reports` DAG call the site."""

__all__ = [
    "NoSuchDelivery",
    "ReportRefused",
    "batch_page",
    "data_docs",
    "quality",
    "quality_figures",
    "quality_site",
    "subject",
]
