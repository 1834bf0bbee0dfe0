"""The words of the pages: one Chinese and one English term for each thing, the same on every page.

Promises
- A page never spells a term itself: it asks for its key here, so one thing keeps one name (the glossary's, where it has one).
- Every term exists in both languages; an unknown state from the database is shown as it is rather than hidden.
"""

from __future__ import annotations

from typing import NamedTuple


class Both(NamedTuple):
    """One text in Chinese and English."""

    zh: str
    en: str


WORDS: dict[str, Both] = {
    # the site
    "site": Both("公共信用信息数据质量", "Public credit data quality"),
    "office": Both("市信用办", "City credit office"),
    "today": Both("今日数据质量", "Data quality today"),
    "departments": Both("部门", "Departments"),
    "rules": Both("规则", "Rules"),
    "batches": Both("批次", "Batches"),
    "ranking": Both("月度排名", "Monthly ranking"),
    "issues": Both("问题", "Issues"),
    "days": Both("历史", "Past days"),
    "definitions": Both("指标说明", "Definitions"),
    # people and things
    "department": Both("部门", "Department"),
    "feed": Both("数据项", "Feed"),
    "kind": Both("记录类别", "Record kind"),
    "batch": Both("批次", "Batch"),
    "build": Both("构建", "Build"),
    "rule": Both("规则", "Rule"),
    "issue": Both("问题", "Issue"),
    "incident": Both("事件", "Incident"),
    "file": Both("文件", "File"),
    "row": Both("行", "Row"),
    "row_no": Both("行号", "Row number"),
    "field": Both("字段", "Field"),
    "value": Both("值", "Value"),
    "reason": Both("原因", "Reason"),
    "remedy": Both("部门须做", "What the department must do"),
    "severity": Both("处理方式", "Verdict"),
    "clause": Both("依据", "Clause"),
    "state": Both("状态", "State"),
    "tier": Both("类别", "Class"),
    "importance": Both("级别", "Tier"),
    "channel": Both("通道", "Channel"),
    "format": Both("格式", "Format"),
    "cadence": Both("报送频率", "Rhythm"),
    "expect_by": Both("应到时间", "Expected by"),
    "contact": Both("联系人", "Contact"),
    "legal_ground": Both("报送依据", "Legal ground"),
    "date": Both("日期", "Date"),
    "month": Both("月份", "Month"),
    "delivered_at": Both("报送时间", "Delivered"),
    "received_at": Both("到达时间", "Received"),
    "landed_at": Both("入库时间", "Landed"),
    "gated_at": Both("检查时间", "Gated"),
    "published_at": Both("发布时间", "Published"),
    "as_of": Both("业务日期", "Business date"),
    "cut_off": Both("截止时间", "Cut-off"),
    "size": Both("大小", "Size"),
    "seconds": Both("用时（秒）", "Seconds"),
    # counts
    "rows_read": Both("读取", "Read"),
    "rows_accepted": Both("接收", "Accepted"),
    "rows_rejected": Both("退回", "Rejected"),
    "rows_held": Both("暂扣", "Held"),
    "rows_flagged": Both("提示", "Flagged"),
    "rows_out_of_scope": Both("范围外", "Out of scope"),
    "rows_duplicate": Both("重复", "Duplicate"),
    "rows_evaluated": Both("检查行数", "Rows checked"),
    "rows_failed": Both("未通过行数", "Rows failed"),
    "accepted_share": Both("接收率", "Accepted share"),
    "rejected_share": Both("退回率", "Rejected share"),
    "lag_days": Both("滞后天数", "Lag, days"),
    "age_days": Both("已历天数", "Age, days"),
    "opened_on": Both("发现日期", "Opened"),
    "due_on": Both("应改日期", "Due"),
    "open_issues": Both("未解决问题", "Open issues"),
    "new_issues": Both("新增", "New"),
    "overdue_issues": Both("逾期", "Overdue"),
    "batches_held": Both("暂扣批次", "Batches held"),
    "tile_rows_read": Both("读取行数", "Rows read"),
    "departments_arrived": Both("已到部门", "Departments arrived"),
    # the four measures and the state-style indicators
    "completeness": Both("完整率", "Completeness"),
    "validity": Both("合规率", "Validity"),
    "timeliness": Both("及时率", "Timeliness"),
    "correction": Both("纠正率", "Correction"),
    "reporting_rate": Both("上报率", "Reporting rate"),
    "compliance_rate": Both("合规率", "Compliance rate"),
    "timeliness_rate": Both("及时率", "Timeliness rate"),
    "code_error_rate": Both("重错码率", "Duplicate and wrong code rate"),
    "correction_rate": Both("纠正率", "Correction rate"),
    "score": Both("综合得分", "Score"),
    "band": Both("等次", "Band"),
    "rank": Both("名次", "Rank"),
    "trend30": Both("近 30 天", "Last 30 days"),
    # acts on a page
    "filter": Both("筛选", "Filter"),
    "download": Both("下载表格", "Download table"),
    "print": Both("打印", "Print"),
    "sources": Both("数据来源", "Sources of the figures"),
    "previous_day": Both("前一天", "Previous day"),
    "next_day": Both("后一天", "Next day"),
    "details": Both("详情", "Details"),
    "none": Both("无", "none"),
    "unknown": Both("未知", "unknown"),
    "total": Both("合计", "Total"),
}

CITY = Both("全市", "The city")

STATES: dict[str, Both] = {
    # ops.arrival
    "arrived": Both("已到", "arrived"),
    "nothing_new": Both("无新数据", "nothing new"),
    "late": Both("迟报", "late"),
    "failed": Both("失败", "failed"),
    "not_due": Both("未到期", "not due"),
    # ops.batch
    "archived": Both("已归档", "archived"),
    "landed": Both("待检查", "awaiting the gate"),
    "accepted": Both("已接收", "accepted"),
    "partly_accepted": Both("部分接收", "partly accepted"),
    "held": Both("暂扣", "held"),
    "refused": Both("整批退回", "refused"),
    "duplicate": Both("重复", "duplicate"),
    # issues
    "open": Both("未解决", "open"),
    "returned": Both("已退回", "returned"),
    "corrected": Both("已纠正", "corrected"),
    "overdue": Both("逾期", "overdue"),
    "closed": Both("已关闭", "closed"),
    "reopened": Both("再次出现", "reopened"),
    # verdicts
    "hold": Both("暂扣批次", "hold the batch"),
    "reject": Both("退回该行", "reject the row"),
    "rejected": Both("退回", "rejected"),
    "flag": Both("提示", "flag the row"),
    "flagged": Both("提示", "flagged"),
    "out_of_scope": Both("范围外", "out of scope"),
    "incident": Both("事件", "incident"),
    "warehouse": Both("仓库存疑", "doubt of the warehouse"),
    # builds
    "running": Both("进行中", "running"),
    "tested": Both("已测试", "tested"),
    "published": Both("已发布", "published"),
    "abandoned": Both("已放弃", "abandoned"),
    # people's decisions
    "release": Both("放行", "release"),
    "refuse": Both("整批退回", "refuse"),
    "rollback": Both("回退", "rollback"),
}

TIERS: dict[str, Both] = {
    "municipal": Both("市直部门", "municipal"),
    "vertical": Both("垂直管理单位", "vertical line"),
    "zone": Both("园区管委会", "zone authority"),
    "external": Both("外部来源", "external source"),
}

CHANNELS: dict[str, Both] = {
    "frontend_db": Both("前置机", "front-end database"),
    "sftp": Both("文件传输", "SFTP"),
    "rest_api": Both("数据接口", "web service"),
    "manual_upload": Both("人工报送", "manual delivery"),
}

CADENCES: dict[str, Both] = {
    "hourly": Both("每小时", "hourly"),
    "daily": Both("每日", "daily"),
    "weekly": Both("每周", "weekly"),
    "monthly": Both("每月", "monthly"),
    "quarterly": Both("每季", "quarterly"),
    "yearly": Both("每年", "yearly"),
    "as needed": Both("按需", "as needed"),
    "as_needed": Both("按需", "as needed"),
}

FORMATS: dict[str, Both] = {
    "table": Both("数据表", "table"),
    "csv": Both("CSV 文件", "CSV"),
    "xlsx": Both("XLSX 工作簿", "XLSX"),
    "xls": Both("XLS 工作簿", "XLS"),
    "html": Both("HTML 表格", "HTML table"),
    "xml": Both("XML 文件", "XML"),
    "json": Both("JSON 文件", "JSON"),
}

DELIVERIES: dict[str, Both] = {
    "delta": Both("增量", "changes"),
    "full_snapshot": Both("全量", "full snapshot"),
    "register": Both("底册加变更", "register with changes"),
}

RULES: dict[str, Both] = {
    # issues that are not about a rule
    "ARRIVAL-LATE": Both("未按时报送", "not delivered in time"),
    "ARRIVAL-FAILED": Both("取数失败", "taking in the data failed"),
    "ARRIVAL-SILENT": Both("数据项久无报送", "a feed fell silent"),
    "ZERO-DECLARATION": Both("当月无数据且未零报送", "no record in the month and no zero declaration"),
    "CALENDAR-YEAR": Both("工作日历缺失", "working-day calendar missing"),
}

BANDS: dict[str, Both] = {
    "excellent": Both("优秀", "excellent"),
    "good": Both("良好", "good"),
    "pass": Both("合格", "pass"),
    "fail": Both("不合格", "fail"),
    "unrated": Both("未评", "not rated"),
}


SUBJECT_TYPES: dict[str, Both] = {
    "enterprise": Both("企业", "enterprise"),
    "household_business": Both("个体工商户", "individual household business"),
    "institution": Both("事业单位", "public institution"),
    "social_organisation": Both("社会组织", "social organisation"),
    "government_body": Both("机关", "government body"),
    "cooperative": Both("农民专业合作社", "farmers' cooperative"),
    "village_collective": Both("农村集体经济组织", "village collective"),
    "organisation": Both("组织", "organisation"),
    "other_organisation": Both("其他组织", "other organisation"),
    "natural_person": Both("自然人", "natural person"),
}

SECTIONS: dict[str, Both] = {
    # of the credit report, in its order
    "score": Both("评分", "Score"),
    "score_explanation": Both("得分说明", "How the score came about"),
    "memberships": Both("名单", "Lists"),
    "basics": Both("登记注册", "Registration"),
    "permits": Both("行政许可", "Permits"),
    "penalties": Both("行政处罚", "Penalties"),
    "inspections": Both("监督检查", "Inspections"),
    "lists": Both("名单列入决定", "Decisions of list entry"),
    "abnormal": Both("经营异常", "Abnormal operation"),
    "judicial": Both("司法裁判与执行", "Judgments and enforcement"),
    "arrears": Both("欠缴", "Arrears"),
    "compliance": Both("履行义务情况", "Duties kept"),
    "contracts": Both("合同履行", "Contract performance"),
    "awards": Both("中标与奖补", "Awards"),
    "qualifications": Both("资质资格", "Qualifications"),
    "ratings": Both("部门评价", "Ratings by departments"),
    "honours": Both("荣誉", "Honours"),
    "commitments": Both("信用承诺", "Commitments"),
    "notes": Both("修复与异议", "Repair and objection"),
    "self_declared": Both("自主申报", "Self-declared"),
}
OWN_SECTIONS = ("score", "score_explanation", "memberships")
"""Sections of the credit report with a place of their own, not among the records."""

FIELDS: dict[str, Both] = {
    # columns that the warehouse adds to a record
    "severity": Both("失信严重程度", "severity"),
    "fine_amount_yuan": Both("罚款金额", "fine"),
    "confiscated_amount_yuan": Both("没收金额", "confiscated"),
    "award_amount_yuan": Both("金额", "amount"),
    "contract_amount_yuan": Both("合同金额", "contract amount"),
    "publicity_min_end": Both("最短公示期止", "minimum publication ends"),
}


def word(key: str) -> Both:
    """The term for `key`. Raises KeyError for a term nobody defined (a mistake in a page, found by the tests)."""
    return WORDS[key]


def state(value: str | None) -> Both:
    """Name of a state or verdict stored in the database; an unknown one is shown as stored."""
    if value is None:
        return WORDS["unknown"]
    return STATES.get(value, Both(value, value))


def label(table: dict[str, Both], value: str | None) -> Both:
    """Name of a registry value (channel, cadence, format, ...); an unknown one is shown as stored."""
    if not value:
        return WORDS["unknown"]
    return table.get(value, Both(value, value))
