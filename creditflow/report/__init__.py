"""The pages people look at: the quality site of the credit office, the credit report of one subject and
the report on the scores.

Promises: reads publish.*, quality.* and ops.*, writes only below settings.site, home/credit_reports
and home/score_reports; no page needs a network.
"""

from creditflow.report.credit_report import ReportRefused, subject
from creditflow.report.data_docs import NoSuchDelivery, data_docs
from creditflow.report.scores import score_report
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
    "score_report",
    "subject",
]
