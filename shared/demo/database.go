package demo

import (
	"context"
	"database/sql"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/url"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/hearthfaas/hearth/shared/fault"
)

// The days that Database fills, around today.
const (
	daysBack  = 30
	daysAhead = 365
)

const schema = `CREATE TABLE IF NOT EXISTS sales (
	id INTEGER PRIMARY KEY,
	date TEXT NOT NULL,
	region TEXT NOT NULL,
	product TEXT NOT NULL,
	quantity INTEGER NOT NULL,
	unit_price REAL NOT NULL,
	amount REAL NOT NULL,
	customer TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS sales_by_date ON sales (date);
CREATE TABLE IF NOT EXISTS demo_days (date TEXT PRIMARY KEY);`

var (
	regions   = []string{"华东", "华北", "华南", "西南", "North", "South"}
	products  = []string{"Notebook 14", "Monitor 27", "Dock", "Keyboard", "Headset", "Router", "Printer"}
	cents     = []int{649900, 189900, 79900, 32900, 45900, 59900, 129900} // unit prices of products
	customers = []string{"远山科技", "蓝海贸易", "晨光学校", "Acme Corp", "Globex", "Initech", "Umbra Labs", "星河医院"}
)

// Database creates the SQLite file path, or completes it: the table sales has four to nine rows for each day
// from 30 days before today to a year after. The rows of a day are always the same. Days that were filled
// once stay as they are, also when their rows were changed or deleted since.
func Database(ctx context.Context, path string, today time.Time) error {
	address := "file:" + (&url.URL{Path: path}).EscapedPath() + "?_pragma=busy_timeout(5000)&_txlock=immediate"
	db, err := sql.Open("sqlite", address)
	if err != nil {
		return fault.As(fault.Internal, err, "open the demo database")
	}
	defer db.Close()
	if err := fill(ctx, db, today); err != nil {
		return fault.As(fault.Unavailable, err, "the demo database %s cannot be made", path).Try("check that its folder can be written")
	}
	return nil
}

// fill writes the days that are missing, in one transaction: a start that is killed leaves none half done.
func fill(ctx context.Context, db *sql.DB, today time.Time) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit there is nothing to roll back
	if _, err := tx.ExecContext(ctx, schema); err != nil {
		return err
	}
	known, err := filled(ctx, tx)
	if err != nil {
		return err
	}
	day := time.Date(today.Year(), today.Month(), today.Day(), 0, 0, 0, 0, time.UTC)
	var sales, days batch
	for d := -daysBack; d <= daysAhead; d++ {
		date := day.AddDate(0, 0, d)
		if text := date.Format(time.DateOnly); !known[text] {
			sales.addDay(date)
			days.add("(?)", text)
		}
	}
	if err := sales.insert(ctx, tx, "sales"); err != nil {
		return err
	}
	if err := days.insert(ctx, tx, "demo_days"); err != nil {
		return err
	}
	return tx.Commit()
}

func filled(ctx context.Context, tx *sql.Tx) (map[string]bool, error) {
	rows, err := tx.QueryContext(ctx, "SELECT date FROM demo_days")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	known := map[string]bool{}
	for rows.Next() {
		var date string
		if err := rows.Scan(&date); err != nil {
			return nil, err
		}
		known[date] = true
	}
	return known, rows.Err()
}

// batch collects rows, because one statement per row would take seconds.
type batch struct {
	places []string
	values []any
}

func (b *batch) add(places string, values ...any) {
	b.places = append(b.places, places)
	b.values = append(b.values, values...)
}

// addDay adds a day's rows, drawn by a generator that the day alone seeds.
func (b *batch) addDay(day time.Time) {
	date := day.Format(time.DateOnly)
	seed := fnv.New64a()
	seed.Write([]byte(date))
	r := rand.New(rand.NewPCG(seed.Sum64(), 1))
	number := day.Unix() / 86400
	for i := range 4 + r.IntN(6) {
		product, quantity := r.IntN(len(products)), 1+r.IntN(20)
		price := float64(cents[product]) / 100
		amount := float64(cents[product]*quantity) / 100
		b.add("(?,?,?,?,?,?,?,?)", number*10+int64(i), date, regions[r.IntN(len(regions))], products[product], quantity, price, amount, customers[r.IntN(len(customers))])
	}
}

// rowsAtOnce keeps a statement under SQLite's 32766 parameters.
const rowsAtOnce = 1000

func (b *batch) insert(ctx context.Context, tx *sql.Tx, table string) error {
	for len(b.places) > 0 {
		n := min(rowsAtOnce, len(b.places))
		values := len(b.values) / len(b.places) * n
		statement := fmt.Sprintf("INSERT INTO %s VALUES %s", table, strings.Join(b.places[:n], ","))
		if _, err := tx.ExecContext(ctx, statement, b.values[:values]...); err != nil {
			return err
		}
		b.places, b.values = b.places[n:], b.values[values:]
	}
	return nil
}
