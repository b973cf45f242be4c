package main

// The time zones are in the program: a machine or a container without tzdata has the
// schedules and quiet hours of everybody all the same.
import _ "time/tzdata"
