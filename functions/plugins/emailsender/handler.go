// Package emailsender is the plugin that sends mail over SMTP. It knows at each moment whether the mail can
// have left, and says so: a message is only ever possibly sent twice when the server fell silent after it
// had all of it.
package emailsender

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/plugin"
)

// In are the parameters.
type In struct {
	To          json.RawMessage `json:"to" types:"string|list" most:"100" letters:"32000" jsonschema:"address or list of addresses"`
	Subject     string          `json:"subject,omitempty" jsonschema:"default is made from the attachments"`
	Body        string          `json:"body,omitempty" jsonschema:"plain text"`
	HTML        string          `json:"html,omitempty" jsonschema:"the same text as HTML, optional"`
	Attachments []string        `json:"attachments,omitempty" file:"read" jsonschema:"paths of files to attach"`
	CC          json.RawMessage `json:"cc,omitempty" types:"string|list" most:"100" letters:"32000" jsonschema:"address or list of addresses that get a copy"`
	BCC         json.RawMessage `json:"bcc,omitempty" types:"string|list" most:"100" letters:"32000" jsonschema:"address or list of addresses that get a hidden copy"`
	ReplyTo     string          `json:"reply_to,omitempty" jsonschema:"address for answers"`
	From        string          `json:"from,omitempty" jsonschema:"sender; default is HEARTH_MAIL_FROM"`
}

// Out is the result, proof of what the mail server took.
type Out struct {
	MessageID   string   `json:"message_id"`
	To          []string `json:"to"` // all recipients
	Subject     string   `json:"subject"`
	Attachments []string `json:"attachments"`
	Local       bool     `json:"local"`    // it lies in the local mailbox and was not sent out
	Response    string   `json:"response"` // what the server said
}

// Function is the plugin.
var Function = plugin.Define(plugin.Spec{
	ID:      "email_sender",
	Title:   manifest.Phrase{En: "Send an e-mail", Zh: "发送邮件"},
	Summary: "Sends an e-mail with optional attachments to the given recipients.",
	Effect:  manifest.Irreversible,
	Grants: manifest.Grants{
		Files:   plugin.FilesParams,
		Hosts:   []string{"config:SMTP_URL"},
		Secrets: []string{"SMTP_URL", "HEARTH_MAIL_FROM"},
	},
	Limits:  manifest.Limits{Wall: 2 * time.Minute, Recall: 30 * time.Second},
	Control: []string{"to", "cc", "bcc"},
	Intent: manifest.Intent{
		Phrases: []string{
			"email", "e-mail", "mail", "send", "send an email", "mail it", "send it to", "notify by mail",
			"邮件", "邮箱", "发邮件", "发送邮件", "发送", "寄给", "发给", "电邮", "抄送",
		},
		Takes: "file", Gives: "receipt", Order: 90,
		Slots: []manifest.Slot{
			{Param: "to", Kind: "email", Required: true, Ask: manifest.Phrase{En: "Who should get the mail? Please give me an address.", Zh: "邮件要发给谁？请告诉我收件人的邮箱地址。"}},
			{Param: "attachments", Kind: "file"},
			{Param: "subject", Kind: "quoted"},
		},
		Example: map[string]any{"to": "team@example.com", "subject": "Daily Sales Report", "attachments": []string{"/output/{{date}}.xlsx"}},
	},
	Version: "1",
}, send)

func send(c *plugin.Call, in In) (Out, error) {
	server, err := parseServer(c.Setting("SMTP_URL", ""))
	if err != nil {
		return Out{}, err
	}
	from, err := sender(in.From, c.Setting("HEARTH_MAIL_FROM", ""), server)
	if err != nil {
		return Out{}, err
	}
	l, err := compose(c, in, from)
	if err != nil {
		return Out{}, err
	}
	out := Out{MessageID: l.id, To: l.recipients, Subject: l.subject, Attachments: l.files, Local: server.local}
	if c.DryRun {
		c.Summary("Would mail "+strings.Join(l.recipients, ", ")+".", "将发送邮件给 "+strings.Join(l.recipients, "、")+"。")
		return out, nil
	}
	if out.Response, err = server.deliver(c, l); err != nil {
		return Out{}, err
	}
	c.Summary(summary(out))
	return out, nil
}

// summary never calls a mail sent that only lies in the local mailbox.
func summary(out Out) (en, zh string) {
	if out.Local {
		return fmt.Sprintf("Put the mail for %s into the local mailbox. It was not sent out: SMTP_URL is not set.", strings.Join(out.To, ", ")),
			fmt.Sprintf("给 %s 的邮件已存入本地邮箱，并未真正发出（未设置 SMTP_URL）。", strings.Join(out.To, "、"))
	}
	return fmt.Sprintf("Sent the mail to %s.", strings.Join(out.To, ", ")), fmt.Sprintf("邮件已发送给 %s。", strings.Join(out.To, "、"))
}
