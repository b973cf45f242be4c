package store

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
)

// A network that is cut says nothing: neither end of a connection learns of it. By
// the system's own rules a write is tried for fifteen minutes, and a connection
// that waits for an answer is asked whether it still stands after two hours. Both
// ends are told to be quicker, so that a node is back some seconds after its
// network is, and so that the rows are free that a node had locked which is gone.
const (
	connectWithin = 5 * time.Second
	unansweredFor = 10 * time.Second // bytes that were sent
	silentFor     = 5 * time.Second  // until it is asked whether the other end is there
	silentAgain   = 3 * time.Second
	silentAsks    = 3
)

// noticeCuts has this end notice.
func noticeCuts(cfg *pgx.ConnConfig) {
	if cfg.ConnectTimeout <= 0 { // else the URL says how long
		cfg.ConnectTimeout = connectWithin
	}
	d := &net.Dialer{
		Timeout:         cfg.ConnectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silentFor, Interval: silentAgain, Count: silentAsks},
		Control:         impatient,
	}
	cfg.DialFunc = d.DialContext
}

// letServerNoticeCuts has the other end notice, and end a transaction in which
// nothing more comes: a node that was paused, with all that it had locked. On a
// socket of the same machine the server leaves out what is about the network. They
// are said after connecting, for what stands between may refuse to be told before.
func letServerNoticeCuts(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `SELECT set_config('tcp_keepalives_idle', '5', FALSE), set_config('tcp_keepalives_interval', '3', FALSE),
		set_config('tcp_keepalives_count', '3', FALSE), set_config('tcp_user_timeout', '10000', FALSE),
		set_config('idle_in_transaction_session_timeout', '30000', FALSE)`)
	if err != nil {
		return fmt.Errorf("say when the connection counts as lost: %w", err)
	}
	return nil
}
