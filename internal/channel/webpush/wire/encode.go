package wire

import "strconv"

// A field is a header that may be kept in the compression table (RFC 7541).
type field uint8

const (
	fieldAuthority field = iota
	fieldAuthorization
	fieldContentType
	fieldContentEncoding
	fieldTTL
	fieldUrgency
	fieldTopic
)

// fieldNames hold the index in the static table, 0 for a name that is not in it.
var fieldNames = [...]struct {
	static int
	name   string
}{
	fieldAuthority:       {1, ":authority"},
	fieldAuthorization:   {23, "authorization"},
	fieldContentType:     {31, "content-type"},
	fieldContentEncoding: {26, "content-encoding"},
	fieldTTL:             {0, "ttl"},
	fieldUrgency:         {0, "urgency"},
	fieldTopic:           {0, "topic"},
}

const (
	staticEntries = 61
	entryOverhead = 32   // RFC 7541, 4.1
	tableSize     = 4096 // what we use of what a service allows
)

// encoder writes the header block of a request. What is the same from request
// to request goes into the table that both sides keep and costs a byte from
// then on; a path is a secret and marked to be kept in no table. Nothing is
// Huffman-coded: that would cost both sides more than the bytes that it saves.
type encoder struct {
	entries []tableEntry // the oldest first
	size    int
	limit   int // of size

	announce bool // a new limit is still to be told

	ttl   int    // of the request before: what does not repeat is not kept
	topic string // the same
}

type tableEntry struct {
	field field
	value string
}

func (e *tableEntry) size() int {
	return len(fieldNames[e.field].name) + len(e.value) + entryOverhead
}

func newEncoder() encoder { return encoder{limit: tableSize, ttl: -1} }

// resize takes the service's SETTINGS_HEADER_TABLE_SIZE. A table that was made
// smaller stays so: going up again would need two updates in one block, which
// is allowed, and which not every service reads.
func (e *encoder) resize(n uint32) {
	if int64(n) >= int64(e.limit) {
		return
	}
	e.limit, e.announce = int(n), true
	e.evict(0)
}

// evict makes room for n more bytes, as the other side will.
func (e *encoder) evict(n int) {
	drop := 0
	for drop < len(e.entries) && e.size+n > e.limit {
		e.size -= e.entries[drop].size()
		drop++
	}
	if drop > 0 {
		left := copy(e.entries, e.entries[drop:])
		clear(e.entries[left:])
		e.entries = e.entries[:left]
	}
}

// block appends the header block of r.
func (e *encoder) block(dst []byte, authority string, r *Request) []byte {
	if e.announce {
		dst = appendInt(dst, 0x20, 5, e.limit)
		e.announce = false
	}
	dst = append(dst, 0x80|3, 0x80|7) // :method POST, :scheme https
	dst = e.field(dst, fieldAuthority, authority, true)
	dst = appendString(append(dst, 0x10|4), r.Path) // :path, never indexed
	if r.Authorization != "" {
		dst = e.field(dst, fieldAuthorization, r.Authorization, true)
	}
	dst = e.field(dst, fieldContentType, contentType(r), true)
	dst = e.field(dst, fieldContentEncoding, "aes128gcm", true)
	dst = e.timeToLive(dst, r.TTL)
	if r.Urgency != "" {
		dst = e.field(dst, fieldUrgency, r.Urgency, true)
	}
	if r.Topic != "" {
		dst = e.field(dst, fieldTopic, r.Topic, r.Topic == e.topic)
		e.topic = r.Topic
	}
	dst = append(dst, 0x0f, 28-0x0f) // content-length
	return appendNumber(dst, len(r.Body))
}

func (e *encoder) timeToLive(dst []byte, ttl int) []byte {
	var digits [20]byte
	text := strconv.AppendInt(digits[:0], int64(ttl), 10)
	repeats := ttl == e.ttl
	e.ttl = ttl
	if !repeats {
		dst = e.name(dst, 0x00, 4, fieldTTL)
		return append(append(dst, byte(len(text))), text...)
	}
	for i := len(e.entries) - 1; i >= 0; i-- {
		if e.entries[i].field == fieldTTL && e.entries[i].value == string(text) {
			return appendInt(dst, 0x80, 7, e.index(i))
		}
	}
	return e.field(dst, fieldTTL, string(text), true)
}

// field appends one header; keep says to put it into the table if it fits.
func (e *encoder) field(dst []byte, f field, value string, keep bool) []byte {
	for i := len(e.entries) - 1; i >= 0; i-- {
		if e.entries[i].field == f && e.entries[i].value == value {
			return appendInt(dst, 0x80, 7, e.index(i))
		}
	}
	entry := tableEntry{f, value}
	size := entry.size()
	if !keep || size > e.limit/2 {
		return appendString(e.name(dst, 0x00, 4, f), value)
	}
	// The name is looked up before its entry may be evicted, as the reader does.
	dst = appendString(e.name(dst, 0x40, 6, f), value)
	e.evict(size)
	e.entries = append(e.entries, entry)
	e.size += size
	return dst
}

// name appends the kind of representation and the name of a field.
func (e *encoder) name(dst []byte, kind byte, prefix int, f field) []byte {
	n := &fieldNames[f]
	if n.static != 0 {
		return appendInt(dst, kind, prefix, n.static)
	}
	for i := len(e.entries) - 1; i >= 0; i-- {
		if e.entries[i].field == f {
			return appendInt(dst, kind, prefix, e.index(i))
		}
	}
	return appendString(append(dst, kind), n.name)
}

func (e *encoder) index(i int) int { return staticEntries + len(e.entries) - i }

// appendInt is the integer representation of RFC 7541, 5.1.
func appendInt(dst []byte, kind byte, prefix, n int) []byte {
	full := 1<<prefix - 1
	if n < full {
		return append(dst, kind|byte(n))
	}
	dst = append(dst, kind|byte(full))
	for n -= full; n >= 0x80; n >>= 7 {
		dst = append(dst, byte(n)|0x80)
	}
	return append(dst, byte(n))
}

func appendString(dst []byte, s string) []byte {
	return append(appendInt(dst, 0, 7, len(s)), s...)
}

func appendNumber(dst []byte, n int) []byte {
	at := len(dst)
	dst = strconv.AppendInt(append(dst, 0), int64(n), 10)
	dst[at] = byte(len(dst) - at - 1)
	return dst
}
