#!/bin/sh
# Ends the process groups of a lab that is gone. $1: file of lines "<pgid> <start>"; the first line names the owner.
# A signal for the terminal's group must not end the watchdog before its work is done.
trap '' INT TERM HUP
# The lab holds the other end of our stdin. A line lets us go; end of file without one means that it is gone.
while read -r _; do exit 0; done
start() {
  if [ -r "/proc/$1/stat" ]; then
    sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20
  elif [ ! -d /proc/self ]; then
    LC_ALL=C ps -o lstart= -p "$1" | tr -s ' ' _ | sed 's/_$//'
  fi
}
[ -r "$1" ] || exit 0
for signal in TERM KILL; do
  left=
  while read -r group started; do
    case $group in owner) continue ;; esac
    if [ "$(start "$group")" = "$started" ]; then
      # dash wants -s: "kill -TERM -- -<group>" fails there.
      kill -s "$signal" -- "-$group" 2>/dev/null && left=1
      # One that was stopped acts on the signal only once it goes on.
      kill -s CONT -- "-$group" 2>/dev/null
    fi
  done <"$1"
  [ -n "$left" ] && [ "$signal" = TERM ] && sleep 1
done
rm -f "$1"
