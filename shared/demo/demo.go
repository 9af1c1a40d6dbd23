// Package demo makes what a first start shows: a database of sales with rows for each day, a report
// template, and the task that fills the one from the other.
package demo

import (
	"encoding/json"

	"github.com/hearthfaas/hearth/shared/flow"
)

// TemplatePath is where the demo task expects Template, in the shared read-only files.
const TemplatePath = "/templates/report.xlsx"

// taskFile is the task as people write it.
const taskFile = `{
  "task_id": "daily_report_gen",
  "trigger": {"type": "cron", "schedule": "0 9 * * *", "timezone": "Asia/Shanghai", "misfire": "once", "grace": "2h", "overlap": "skip"},
  "steps": [
    {"id": "query",  "plugin": "database_query",  "params": {"sql": "SELECT * FROM sales WHERE date=CURRENT_DATE"}},
    {"id": "sheet",  "plugin": "excel_generator", "params": {"template": "/templates/report.xlsx", "output": "/output/{{date}}.xlsx"}},
    {"id": "mail",   "plugin": "email_sender",    "params": {"to": "team@example.com", "subject": "Daily Sales Report", "attachments": ["/output/{{date}}.xlsx"]}}
  ]
}
`

// TaskFile returns the task daily_report_gen as the file that "hearth task apply -f" takes.
func TaskFile() []byte { return []byte(taskFile) }

// Task returns the task daily_report_gen.
func Task() flow.Plan {
	var plan flow.Plan
	if err := json.Unmarshal([]byte(taskFile), &plan); err != nil {
		panic(err) // a constant, which the test reads
	}
	return plan
}
