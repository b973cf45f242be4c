// Package contact says who is told and when they want to be: a Contact with
// its notification options and switches, a Group of contacts, a TimePeriod.
//
// The package is pure. Validate reports what is wrong with a value in words
// for the person who typed it; Covers answers whether a time lies in a period.
package contact
