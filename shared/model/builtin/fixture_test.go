package builtin_test

import (
	"encoding/json"

	"github.com/hearthfaas/hearth/shared/manifest"
)

// The three plugins of the example in the README, as their manifests describe them.
func database() manifest.Manifest {
	return manifest.Manifest{
		ID: "database_query", Title: manifest.Phrase{En: "Query data", Zh: "查询数据"},
		Summary: "Runs a read-only SQL query.", Effect: manifest.Read,
		Params: json.RawMessage(`{"type":"object","additionalProperties":false,"required":["sql"],"properties":{"sql":{"type":"string"}}}`),
		Result: json.RawMessage(`{"type":"object","properties":{"columns":{"type":"array"},"rows":{"type":"array"}}}`),
		Intent: manifest.Intent{
			Phrases: []string{"销售", "数据", "查询", "今天", "sales", "data", "query", "report"}, Gives: "table", Order: 10,
			Slots: []manifest.Slot{{
				Param: "sql", Kind: "sql", Ask: manifest.Phrase{En: "Which SQL query should I run?", Zh: "要运行哪条 SQL 查询？"},
			}},
			Example: map[string]any{"sql": "SELECT * FROM sales WHERE date=CURRENT_DATE"},
		},
	}
}

func sheet() manifest.Manifest {
	return manifest.Manifest{
		ID: "excel_generator", Title: manifest.Phrase{En: "Make a spreadsheet", Zh: "生成表格"},
		Summary: "Fills an Excel template with the last table.", Effect: manifest.Compensable, Undo: true,
		Params: json.RawMessage(`{"type":"object","additionalProperties":false,"required":["template","output"],"properties":{
			"template":{"type":"string","x-file":"read"},"output":{"type":"string","x-file":"write"}}}`),
		Result: json.RawMessage(`{"type":"object","properties":{"path":{"type":"string"}}}`),
		Intent: manifest.Intent{
			Phrases: []string{"报表", "表格", "excel", "report", "spreadsheet"}, Takes: "table", Gives: "file", Order: 20,
			Slots:   []manifest.Slot{{Param: "output", Kind: "path"}},
			Example: map[string]any{"template": "/templates/report.xlsx", "output": "/output/{{date}}.xlsx"},
		},
	}
}

func mail() manifest.Manifest {
	return manifest.Manifest{
		ID: "email_sender", Title: manifest.Phrase{En: "Send email", Zh: "发送邮件"},
		Summary: "Sends an email with attachments.", Effect: manifest.Irreversible,
		Params: json.RawMessage(`{"type":"object","additionalProperties":false,"required":["to"],"properties":{
			"to":{"anyOf":[{"type":"string"},{"type":"array","items":{"type":"string"}}]},"cc":{"type":"array","items":{"type":"string"}},
			"subject":{"type":"string"},"body":{"type":"string"},"attachments":{"type":"array","items":{"type":"string","x-file":"read"}}}}`),
		Result: json.RawMessage(`{"type":"object","properties":{"id":{"type":"string"}}}`),
		Intent: manifest.Intent{
			Phrases: []string{"邮件", "发邮件", "email", "mail", "send"}, Takes: "file", Gives: "receipt", Order: 30,
			Slots: []manifest.Slot{
				{Param: "to", Kind: "email", Required: true, Ask: manifest.Phrase{En: "Who should receive it?", Zh: "要发给谁？请给出邮箱地址。"}},
				{Param: "cc", Kind: "email"},
				{Param: "subject", Kind: "quoted"},
				{Param: "body", Kind: "text"},
				{Param: "attachments", Kind: "file"},
			},
			Example: map[string]any{"to": "team@example.com", "subject": "Daily Sales Report", "attachments": []string{"/output/{{date}}.xlsx"}},
		},
	}
}

func tools() []manifest.Manifest { return []manifest.Manifest{database(), sheet(), mail()} }
