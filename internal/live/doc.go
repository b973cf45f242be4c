// Package live keeps the event streams of open tabs.
//
// What is to be seen is appended to the live log, in the transaction that
// made it true. The Hub tails that log, renders each frame once, and writes it
// to every stream it is for. A stream that comes back after a lost connection
// names the last frame it saw and gets what it missed.
package live
