package emailsender

import (
	"encoding/json"
	"fmt"
	"net/mail"
	"strings"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Bounds of a message's recipients.
const (
	maxRecipients = 100
	maxAddress    = 254 // characters (RFC 5321, section 4.5.3.1.3, less the brackets)
)

// addresses reads an address, a text with several, or a list of them. Errors are Invalid and name the place.
func addresses(raw json.RawMessage, field string) ([]*mail.Address, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var one string
	var list []string
	if json.Unmarshal(raw, &one) == nil {
		list = separate(one)
	} else if json.Unmarshal(raw, &list) != nil {
		return nil, fault.New(fault.Invalid, "want an address or a list of addresses").At(field)
	}
	found := make([]*mail.Address, 0, len(list))
	for i, text := range list {
		at := field
		if len(list) > 1 {
			at = fmt.Sprintf("%s[%d]", field, i)
		}
		a, err := address(text, at)
		if err != nil {
			return nil, err
		}
		found = append(found, a)
	}
	return found, nil
}

// separate cuts a text at commas and semicolons, also Chinese ones, but not inside a quoted name.
func separate(text string) []string {
	quoted := false
	parts := strings.FieldsFunc(text, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && strings.ContainsRune(",;，；、\n", r)
	})
	var list []string
	for _, p := range parts {
		if strings.TrimSpace(p) != "" {
			list = append(list, p)
		}
	}
	if list == nil {
		return []string{text} // nothing between the commas is a wrong address, not none
	}
	return list
}

// address reads one address, with or without a name.
func address(text, field string) (*mail.Address, error) {
	text = strings.TrimSpace(text)
	if strings.ContainsFunc(text, isControl) {
		return nil, fault.New(fault.Invalid, "an address has no control characters").At(field)
	}
	a, err := mail.ParseAddress(text)
	if err != nil || len(a.Address) > maxAddress {
		return nil, fault.As(fault.Invalid, err, "not an e-mail address: %.80q", text).At(field)
	}
	if strings.ContainsFunc(a.Address, func(r rune) bool { return r > 0x7e || r <= ' ' }) {
		return nil, fault.New(fault.Invalid, "only plain ASCII addresses can be mailed: %.80q", text).At(field)
	}
	return a, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// sender is who a message comes from: the parameter, else the setting, else the account at the server.
func sender(param, setting string, s server) (*mail.Address, error) {
	switch {
	case param != "":
		return address(param, "params.from")
	case setting != "":
		return address(setting, "HEARTH_MAIL_FROM")
	case strings.Contains(s.user, "@"):
		return address(s.user, "SMTP_URL")
	case s.local:
		return &mail.Address{Name: "Hearth", Address: "hearth@localhost"}, nil
	default:
		return nil, fault.New(fault.Invalid, "there is no sender").At("HEARTH_MAIL_FROM").Try("set HEARTH_MAIL_FROM to the address that mail comes from")
	}
}
