package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newMailCommand(a *app) *cobra.Command {
	return group("mail", "The local mailbox, for as long as SMTP_URL is not set", newMailList(a), newMailShow(a))
}

// letter is a mail in the local mailbox.
type letter struct {
	ID          string    `json:"id"`
	At          time.Time `json:"at"`
	From        string    `json:"from"`
	To          []string  `json:"to"`
	Subject     string    `json:"subject"`
	Text        string    `json:"text"`
	HTML        string    `json:"html"`
	Attachments []struct {
		Name string `json:"name"`
		Size int64  `json:"size"`
		Type string `json:"type"`
	} `json:"attachments"`
}

func newMailList(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Mails, newest first", Args: takes(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := a.desk(cmd)
			if err != nil {
				return err
			}
			mails, raw, err := d.mails(cmd.Context())
			if err != nil {
				return err
			}
			return d.show(raw, func() {
				rows := make([][]string, len(mails))
				for i, m := range mails {
					rows[i] = []string{m.ID, d.clock(m.At), strings.Join(m.To, ", "), m.Subject, m.files()}
				}
				d.table([]string{"MAIL", "AT", "TO", "SUBJECT", "FILES"}, rows)
			})
		},
	}
}

func (d *desk) mails(ctx context.Context) ([]letter, json.RawMessage, error) {
	list, raw, err := fetch[struct {
		Mails []letter `json:"mails"`
	}](ctx, d.client, "GET", mailPath, nil)
	return list.Mails, raw, err
}

// files are the names and sizes of a mail's attachments.
func (m letter) files() string {
	var names []string
	for _, f := range m.Attachments {
		names = append(names, fmt.Sprintf("%s (%d bytes)", f.Name, f.Size))
	}
	return strings.Join(names, ", ")
}

func newMailShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "A mail", Args: takes(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.desk(cmd)
			if err != nil {
				return err
			}
			mails, _, err := d.mails(cmd.Context())
			if err != nil {
				return err
			}
			ids := make([]string, len(mails))
			for i, m := range mails {
				ids[i] = m.ID
			}
			id, err := pick(ids, args[0])
			if err != nil {
				return err
			}
			m, raw, err := fetch[letter](cmd.Context(), d.client, "GET", mailPath+url.PathEscape(id), nil)
			if err != nil {
				return err
			}
			return d.show(raw, func() { d.mail(m) })
		},
	}
}

func (p *printer) mail(m letter) {
	for _, line := range [][2]string{
		{"From", m.From}, {"To", strings.Join(m.To, ", ")}, {"Date", p.clock(m.At)}, {"Subject", m.Subject}, {"Files", m.files()},
	} {
		if line[1] != "" {
			p.print("%-8s %s", line[0]+":", strings.Join(strings.Fields(line[1]), " "))
		}
	}
	switch {
	case m.Text != "":
		p.print("\n%s", strings.TrimRight(m.Text, "\r\n"))
	case m.HTML != "":
		p.print("\n(only as HTML: hearth mail show -o json %s)", m.ID)
	}
}
