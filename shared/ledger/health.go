package ledger

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/hearthfaas/hearth/shared/fault"
)

// nearlyFull is the part of its memory, in percent, that a server may use before people are told.
const nearlyFull = 90

// Ailing says what is wrong with the servers that take writes, though they still work: what was changed since the
// store was dialed, or will end in no message being accepted. The same trouble has the same words each time.
func (l *Ledger) Ailing(ctx context.Context) ([]Weakness, error) {
	if l.volatile {
		return nil, nil
	}
	var mu sync.Mutex
	var list []Weakness
	err := l.masters(ctx, func(ctx context.Context, node *redis.Client) error {
		s, err := l.examine(ctx, node)
		var found []Weakness
		if unsafe, ok := errors.AsType[*fault.Error](err); ok && unsafe.Kind == fault.Invalid {
			found, err = []Weakness{{unsafe.Message, unsafe.Next}}, nil
		} else if err == nil {
			found, err = s.ailments(ctx)
		}
		mu.Lock()
		defer mu.Unlock()
		list = append(list, found...)
		return err
	})
	return list, kinded(err)
}

func (s server) ailments(ctx context.Context) ([]Weakness, error) {
	var list []Weakness
	used, most := s.number("used_memory"), s.number("maxmemory")
	if most > 0 && used > most/100*nearlyFull {
		list = append(list, Weakness{s.name + " has nearly used up its memory: then nothing more is accepted", "raise its maxmemory"})
	}
	there, err := s.Time(ctx).Result()
	if err == nil && time.Since(there).Abs() > maxSkew {
		list = append(list, Weakness{s.name + " has a clock that is off: after a failover, leases are too", setClock})
	}
	return list, err
}

// number returns a number of INFO, or 0.
func (s server) number(name string) int64 {
	n, _ := strconv.ParseInt(s.info[name], 10, 64)
	return n
}
