package fn

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"

	"github.com/go-playground/validator/v10"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/strictjson"
)

// validate is the process's one validator; it caches what it learns of each type and is safe for
// concurrent use. Fields are named by their JSON names in errors.
var validate = sync.OnceValue(func() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return name
	})
	return v
})

// JSON makes a handler of a typed function: POST or PUT with a JSON body that is decoded strictly and
// validated, and a JSON answer. Errors keep their kind.
func JSON[In, Out any](do func(ctx context.Context, in In) (Out, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in In
		if err := DecodeBody(r, &in); err != nil {
			fault.Write(w, err)
			return
		}
		out, err := do(r.Context(), in)
		if err != nil {
			Fail(w, r, err)
			return
		}
		Reply(w, http.StatusOK, out)
	})
}

// DecodeBody decodes a request's JSON body into v and validates it.
func DecodeBody(r *http.Request, v any) error {
	raw, err := ReadBody(r)
	if err != nil {
		return err
	}
	return Decode(raw, v)
}

// ReadBody reads a request's body. One over the host's limit is TooLarge.
func ReadBody(r *http.Request) ([]byte, error) {
	raw, err := io.ReadAll(r.Body)
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, fault.New(fault.TooLarge, "the body is over %d bytes", tooLarge.Limit)
	}
	if err != nil {
		return nil, fault.As(fault.Invalid, err, "the body was cut short")
	}
	return raw, nil
}

// Decode decodes exactly one JSON value into v, as strictjson.Decode does, and validates it by its
// `validate` tags. What is wrong is Invalid, with its line and column or the name of the field.
func Decode(raw []byte, v any) error {
	if err := strictjson.Decode(raw, v); err != nil {
		return err
	}
	return check(v)
}

// check validates v by its tags and names the first field that fails.
func check(v any) error {
	t := reflect.Indirect(reflect.ValueOf(v))
	if t.Kind() != reflect.Struct {
		return nil
	}
	err := validate().Struct(v)
	if fields, ok := errors.AsType[validator.ValidationErrors](err); ok {
		f := fields[0]
		_, path, _ := strings.Cut(f.Namespace(), ".")
		rule := f.Tag()
		if f.Param() != "" {
			rule += "=" + f.Param()
		}
		return fault.New(fault.Invalid, "does not hold: %s", rule).At(path)
	}
	return err
}

// Reply answers with v as JSON.
func Reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The client may be gone; there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(v)
}

// Fail answers with err, and logs what people may not see of it.
func Fail(w http.ResponseWriter, r *http.Request, err error) {
	if kind := fault.KindOf(err); kind == fault.Internal || kind == fault.Unknown {
		if l := Logger(r.Context(), nil); l != nil {
			l.Error("call failed", "kind", kind, "err", err)
		}
	}
	fault.Write(w, err)
}
