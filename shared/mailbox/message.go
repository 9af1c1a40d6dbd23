package mailbox

import (
	"bytes"
	"errors"
	"io"
	"mime"
	netmail "net/mail"
	"strings"
	"time"

	"github.com/emersion/go-message"
	"github.com/emersion/go-message/mail"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Bounds of what is read of a message, so that none takes the memory of all.
const (
	maxText  = 1 << 20
	maxParts = 100
)

// Mail is a message as a list shows it.
type Mail struct {
	ID          string       `json:"id"`
	At          time.Time    `json:"at"`
	From        string       `json:"from"`
	To          []string     `json:"to"` // everybody who would have got it, hidden recipients too
	Subject     string       `json:"subject"`
	Attachments []Attachment `json:"attachments"`
}

// Attachment describes a file in a message. Its place in the list is its number.
type Attachment struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	Type string `json:"type"`
}

// Detail is a message with its texts.
type Detail struct {
	Mail
	Text string `json:"text"`
	HTML string `json:"html"`
}

// List returns the newest messages, at most limit. One that cannot be read any more is left out.
func (s *Store) List(limit int) ([]Mail, error) {
	ids, err := s.ids()
	if err != nil {
		return nil, err
	}
	list := []Mail{}
	for _, id := range ids[:min(len(ids), limit)] {
		d, err := s.Get(id)
		if fault.Is(err, fault.NotFound) {
			continue // removed since
		}
		if err != nil {
			return nil, err
		}
		list = append(list, d.Mail)
	}
	return list, nil
}

// Get returns a message with its texts.
func (s *Store) Get(id string) (Detail, error) {
	recipients, raw, err := s.read(id)
	if err != nil {
		return Detail{}, err
	}
	d := Detail{Mail: Mail{ID: id, At: arrived(id), To: recipients, Attachments: []Attachment{}}}
	err = walk(raw, func(h mail.Header) {
		d.From, d.Subject = address(h), subject(h)
	}, d.take)
	return d, err
}

// take adds a part of a message.
func (d *Detail) take(p *mail.Part) error {
	switch h := p.Header.(type) {
	case *mail.InlineHeader:
		text, err := io.ReadAll(io.LimitReader(p.Body, maxText))
		if err != nil {
			return err
		}
		kind, _, err := h.ContentType()
		switch {
		case err == nil && kind == "text/html":
			d.HTML += string(text)
		case err != nil || strings.HasPrefix(kind, "text/"):
			d.Text += string(text)
		}
	case *mail.AttachmentHeader:
		size, err := io.Copy(io.Discard, p.Body)
		if err != nil {
			return err
		}
		d.Attachments = append(d.Attachments, describe(h, size))
	}
	return nil
}

func describe(h *mail.AttachmentHeader, size int64) Attachment {
	name, err := h.Filename()
	if err != nil || name == "" {
		name = "attachment"
	}
	kind, _, err := h.ContentType()
	if err != nil {
		kind = "application/octet-stream"
	}
	return Attachment{Name: name, Size: size, Type: kind}
}

// Attachment returns the n-th file of a message, counted from 0, and its content.
func (s *Store) Attachment(id string, n int) (Attachment, []byte, error) {
	_, raw, err := s.read(id)
	if err != nil {
		return Attachment{}, nil, err
	}
	var found *Attachment
	var content []byte
	seen := 0
	err = walk(raw, func(mail.Header) {}, func(p *mail.Part) error {
		h, isFile := p.Header.(*mail.AttachmentHeader)
		if !isFile {
			return nil
		}
		if seen++; seen-1 != n {
			return nil
		}
		body, err := io.ReadAll(p.Body)
		a := describe(h, int64(len(body)))
		found, content = &a, body
		return err
	})
	if err == nil && found == nil {
		err = fault.New(fault.NotFound, "the mail has no attachment number %d", n)
	}
	if err != nil {
		return Attachment{}, nil, err
	}
	return *found, content, nil
}

// walk reads a message part by part. A text in an unknown character set comes as its bytes. A message that is
// not well formed ends where it stops being one: somebody sent it, so it is shown as far as it goes.
func walk(raw []byte, head func(mail.Header), part func(*mail.Part) error) error {
	r, err := mail.CreateReader(bytes.NewReader(raw))
	if err != nil && !message.IsUnknownCharset(err) {
		return fault.As(fault.Invalid, err, "the mail is not one that can be read")
	}
	head(r.Header)
	for range maxParts {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) || err != nil && !message.IsUnknownCharset(err) {
			return nil
		}
		if err := part(p); err != nil {
			return fault.As(fault.Invalid, err, "a part of the mail cannot be read")
		}
	}
	return nil
}

func address(h mail.Header) string {
	list, err := h.AddressList("From")
	if err != nil || len(list) == 0 {
		return h.Get("From")
	}
	if list[0].Name == "" {
		return list[0].Address
	}
	return list[0].Name + " <" + list[0].Address + ">"
}

func subject(h mail.Header) string {
	if text, err := h.Subject(); err == nil {
		return text
	}
	return h.Get("Subject")
}

// arrived is the time in an id.
func arrived(id string) time.Time {
	ms := int64(0)
	for _, c := range id[:13] {
		ms = ms*10 + int64(c-'0')
	}
	return time.UnixMilli(ms).UTC()
}

// messageID is the Message-ID of a message, or nothing.
func messageID(raw []byte) string {
	m, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(m.Header.Get("Message-Id"))
}

// Disposition is the header that makes a browser save an attachment under its name instead of showing it.
func (a Attachment) Disposition() string {
	return mime.FormatMediaType("attachment", map[string]string{"filename": a.Name})
}
