package simulate

import "time"

// queue gives what is due first, and of things due at the same time what came into
// it first. What is due at another time by now, or not at all, is left in it and
// passed over when its turn comes.
type queue[T any] struct {
	list  []queued[T]
	count int
	// stands says whether a thing is still due at that time.
	stands func(thing T, at time.Time) bool
	// passed is told of what was passed over, and may put it in again; nil: nobody is.
	passed func(thing T, at time.Time)
}

type queued[T any] struct {
	at    time.Time
	n     int
	thing T
}

func (q *queue[T]) less(i, j int) bool {
	a, b := &q.list[i], &q.list[j]
	if c := a.at.Compare(b.at); c != 0 {
		return c < 0
	}
	return a.n < b.n
}

func (q *queue[T]) push(thing T, at time.Time) {
	q.count++
	q.put(queued[T]{at, q.count, thing})
}

func (q *queue[T]) put(x queued[T]) {
	q.list = append(q.list, x)
	for i := len(q.list) - 1; i > 0; {
		up := (i - 1) / 2
		if !q.less(i, up) {
			break
		}
		q.list[i], q.list[up] = q.list[up], q.list[i]
		i = up
	}
}

// drop takes the first away.
func (q *queue[T]) drop() queued[T] {
	x, last := q.list[0], len(q.list)-1
	q.list[0] = q.list[last]
	q.list[last] = queued[T]{}
	q.list = q.list[:last]
	for i := 0; ; {
		least := i
		for _, down := range []int{2*i + 1, 2*i + 2} {
			if down < last && q.less(down, least) {
				least = down
			}
		}
		if least == i {
			return x
		}
		q.list[i], q.list[least] = q.list[least], q.list[i]
		i = least
	}
}

// first is when the next thing is due, zero if nothing is.
func (q *queue[T]) first() time.Time {
	for len(q.list) > 0 {
		if q.stands(q.list[0].thing, q.list[0].at) {
			return q.list[0].at
		}
		if x := q.drop(); q.passed != nil {
			q.passed(x.thing, x.at)
		}
	}
	return time.Time{}
}

// over answers up to limit things that are due by now, each once, and leaves them
// in the queue; and when the next one is.
func (q *queue[T]) over(now time.Time, limit int) (things []T, next time.Time) {
	var taken []queued[T]
	for at := q.first(); !at.IsZero() && !at.After(now) && len(taken) < limit; at = q.first() {
		x := q.drop()
		taken = append(taken, x)
		things = append(things, x.thing)
	}
	next = q.first()
	for _, x := range taken {
		q.put(x)
	}
	return things, next
}
