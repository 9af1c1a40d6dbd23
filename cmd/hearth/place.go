package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/strictjson"
)

var (
	linePlace = regexp.MustCompile(`^line (\d+), column (\d+)$`)
	pathPart  = regexp.MustCompile(`[^.\[\]]+`)
)

// inFile turns the place of an error in a JSON text into file:line:column. A place such as
// steps[1].params.sql is looked up in the text, and stays in front of the message.
func inFile(err error, file string, raw []byte) error {
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || e.Field == "" {
		return err
	}
	c := *e
	place := e.Field
	if !linePlace.MatchString(place) {
		c.Message = e.Field + ": " + e.Message
		place = strictjson.Place(raw, locate(raw, e.Field))
	}
	at := linePlace.FindStringSubmatch(place)
	c.Field = fmt.Sprintf("%s:%s:%s", file, at[1], at[2])
	return &c
}

// locate returns where the value at path begins in a JSON text: that of the value around it where path
// leads to something that is missing.
func locate(raw []byte, path string) int64 {
	d := json.NewDecoder(bytes.NewReader(raw))
	at := begin(raw, 0)
	for _, part := range pathPart.FindAllString(path, -1) {
		if !enter(d, part) {
			break
		}
		at = begin(raw, d.InputOffset())
	}
	return at
}

// begin skips what stands between two values.
func begin(raw []byte, at int64) int64 {
	rest := bytes.TrimLeft(raw[at:], " \t\r\n:,")
	return int64(len(raw) - len(rest))
}

// enter moves d in front of the value that its next value has under part: a key, or the index of a list.
func enter(d *json.Decoder, part string) bool {
	open, err := d.Token()
	if err != nil {
		return false
	}
	index, notIndex := strconv.Atoi(part)
	for n := 0; d.More(); n++ {
		switch open {
		case json.Delim('{'):
			if key, err := d.Token(); err != nil || key == part {
				return err == nil
			}
		case json.Delim('['):
			if notIndex == nil && n == index {
				return true
			}
		default:
			return false
		}
		var skipped json.RawMessage
		if d.Decode(&skipped) != nil {
			return false
		}
	}
	return false
}
