package emailsender

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/mail"
	"os"
	"path"
	"strings"
	"unicode/utf8"

	gomail "github.com/wneessen/go-mail"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/plugin"
)

// Bounds of a message. Encoded, the largest stays under the 25 MB that most servers take.
const (
	maxSubject     = 500     // characters
	maxBody        = 1 << 20 // bytes
	maxAttached    = 18 << 20
	maxAttachments = 50
)

// letter is a message ready to be sent.
type letter struct {
	id         string // Message-ID, the same for every attempt of a step
	from       string
	recipients []string // of the envelope, hidden ones too
	subject    string
	files      []string // paths of the attachments
	raw        []byte
}

// compose checks everything and writes the message, before anybody is connected to.
func compose(c *plugin.Call, in In, from *mail.Address) (letter, error) {
	m := gomail.NewMsg()
	l := letter{from: from.Address, files: append([]string{}, in.Attachments...)}
	if err := l.address(m, in, from); err != nil {
		return letter{}, err
	}
	if err := l.text(m, in, c.Lang, c.Date); err != nil {
		return letter{}, err
	}
	if err := l.attach(m, c, in.Attachments); err != nil {
		return letter{}, err
	}
	l.id = messageID(c.Key, from.Address)
	m.SetMessageIDWithValue(strings.Trim(l.id, "<>"))
	m.SetDateWithValue(c.Now)
	var raw bytes.Buffer
	if _, err := m.WriteTo(&raw); err != nil {
		return letter{}, fault.As(fault.Internal, err, "the message cannot be written")
	}
	l.raw = raw.Bytes()
	return l, nil
}

// messageID names a message after its step, so that a repeated one is recognised by whoever gets both.
func messageID(key, from string) string {
	sum := sha256.Sum256([]byte(key))
	_, domain, _ := strings.Cut(from, "@")
	return "<" + hex.EncodeToString(sum[:16]) + "@" + domain + ">"
}

// address fills in sender and recipients. Nobody gets a message twice.
func (l *letter) address(m *gomail.Msg, in In, from *mail.Address) error {
	to, err := addresses(in.To, "params.to")
	if err != nil {
		return err
	}
	if len(to) == 0 {
		return fault.New(fault.Invalid, "there is no recipient").At("params.to")
	}
	cc, err := addresses(in.CC, "params.cc")
	if err != nil {
		return err
	}
	bcc, err := addresses(in.BCC, "params.bcc")
	if err != nil {
		return err
	}
	m.FromMailAddress(from)
	m.ToMailAddress(to...)
	if len(cc) > 0 {
		m.CcMailAddress(cc...)
	}
	if in.ReplyTo != "" {
		reply, err := address(in.ReplyTo, "params.reply_to")
		if err != nil {
			return err
		}
		m.ReplyToMailAddress(reply)
	}
	seen := map[string]bool{}
	for _, list := range [][]*mail.Address{to, cc, bcc} {
		for _, a := range list {
			if key := strings.ToLower(a.Address); !seen[key] {
				seen[key] = true
				l.recipients = append(l.recipients, a.Address)
			}
		}
	}
	if len(l.recipients) > maxRecipients {
		return fault.New(fault.TooLarge, "over %d recipients", maxRecipients).At("params.to")
	}
	return nil
}

// text fills in subject and body. A subject with a line break would add headers of its own.
func (l *letter) text(m *gomail.Msg, in In, lang, date string) error {
	l.subject = in.Subject
	if strings.TrimSpace(l.subject) == "" {
		l.subject = defaultSubject(in.Attachments, lang, date)
	}
	if strings.ContainsFunc(l.subject, isControl) || !utf8.ValidString(l.subject) {
		return fault.New(fault.Invalid, "a subject is one line of text").At("params.subject")
	}
	if n := utf8.RuneCountInString(l.subject); n > maxSubject {
		return fault.New(fault.TooLarge, "the subject has %d characters, over %d", n, maxSubject).At("params.subject")
	}
	if len(in.Body)+len(in.HTML) > maxBody {
		return fault.New(fault.TooLarge, "the text is over %d bytes; attach it as a file", maxBody).At("params.body")
	}
	m.Subject(l.subject)
	body := in.Body
	if body == "" {
		body = defaultBody(in.Attachments, lang)
	}
	m.SetBodyString(gomail.TypeTextPlain, body)
	if in.HTML != "" {
		m.AddAlternativeString(gomail.TypeTextHTML, in.HTML)
	}
	return nil
}

func defaultSubject(attachments []string, lang, date string) string {
	switch {
	case len(attachments) > 0:
		return path.Base(attachments[0])
	case lang == "zh":
		return "来自 Hearth 的消息 " + date
	default:
		return "A message from Hearth, " + date
	}
}

func defaultBody(attachments []string, lang string) string {
	names := make([]string, len(attachments))
	for i, a := range attachments {
		names[i] = path.Base(a)
	}
	switch {
	case len(names) == 0:
		return ""
	case lang == "zh":
		return "您好，\n\n附件：" + strings.Join(names, "、") + "\n"
	default:
		return "Hello,\n\nplease find attached: " + strings.Join(names, ", ") + "\n"
	}
}

// attach adds the files. The host has fetched them; one that is missing or refused never got this far, except
// in a dry run, where the step that makes it did not run.
func (l *letter) attach(m *gomail.Msg, c *plugin.Call, paths []string) error {
	if len(paths) > maxAttachments {
		return fault.New(fault.TooLarge, "over %d attachments", maxAttachments).At("params.attachments")
	}
	total := 0
	for i, p := range paths {
		field := fmt.Sprintf("params.attachments[%d]", i)
		local, err := c.Local(p)
		if c.DryRun && fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return fault.As(fault.KindOf(err), err, "%s cannot be attached", p).At(field)
		}
		content, err := os.ReadFile(local)
		if err != nil {
			return fault.As(fault.Unavailable, err, "%s cannot be read", p).At(field)
		}
		if total += len(content); total > maxAttached {
			return fault.New(fault.TooLarge, "with %s the attachments are over %d MB", p, maxAttached>>20).At(field)
		}
		if strings.ContainsFunc(path.Base(p), isControl) {
			return fault.New(fault.Invalid, "a file's name is one line of text").At(field)
		}
		if err := m.AttachReader(path.Base(p), bytes.NewReader(content), gomail.WithFileContentType(contentType(p))); err != nil {
			return fault.As(fault.Internal, err, "attach %s", p)
		}
	}
	return nil
}

// contentTypes are the types that mail programs open with a click. A host's own table may lack them.
var contentTypes = map[string]gomail.ContentType{
	".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
	".pdf":  "application/pdf",
	".csv":  "text/csv; charset=utf-8",
	".txt":  "text/plain; charset=utf-8",
	".md":   "text/markdown; charset=utf-8",
	".json": "application/json",
	".png":  "image/png",
	".jpg":  "image/jpeg",
	".jpeg": "image/jpeg",
	".gif":  "image/gif",
	".zip":  "application/zip",
}

func contentType(p string) gomail.ContentType {
	if t, known := contentTypes[strings.ToLower(path.Ext(p))]; known {
		return t
	}
	return "application/octet-stream"
}
