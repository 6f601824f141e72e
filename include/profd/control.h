/* SPDX-License-Identifier: MIT */
/*
 * control.h - the protocol of profd's control socket (a unix stream socket).
 *
 * Each message, both ways, is a 32-bit little-endian length followed by that many bytes of JSON
 * (UTF-8, one object); descriptors travel with the first byte of a message. A connection carries
 * one request at a time. The daemon knows the user by SO_PEERCRED: root and the group profd see
 * everything, others may record processes of their own uid (user frames only) and get
 * descriptors of their own recordings.
 *
 * Every request may be answered by  {"ok":false,"error":"what and why","hint":"what to do"}.
 *
 * {"op":"status"}
 *     {"ok":true,"status":{…}}                      the object of `profctl status --json`
 *
 * {"op":"record","types":["cpu"],"sample_bytes":524288,"max_cost":0,"seconds":30,"frequency":99,
 *  "pids":[],"tids":[],"children":false,"comm":"","cgroup":"","deliver":false,
 *  "timestamps":false,"ages":false,"announced":false}
 *     All keys but op are optional. seconds 0: until stopped. Ends when all pids and tids are gone.
 *     deliver: the profile comes as a descriptor and no copy is stored. It also comes as a
 *     descriptor when the user may not read the store.
 *     types: one, cpu or heap. frequency (Hz) is of cpu; sample_bytes (mean bytes between samples)
 *     of heap, which needs a target. max_cost: % of one CPU that probes on allocators may cost;
 *     above it they are attached a part of the time only; 0: no ceiling. announced: all targets
 *     have profd's library loaded, so that their allocators need no probes.
 *     timestamps: each sample stays one, and has the label "timestamp" (ns since 1970).
 *     ages: what a stack allocated is split by the labels "age" and "lifetime" (milliseconds), at
 *     least as old as what is in use is, and was what was freed.
 *     {"ok":true,"session":7}                       sampling has begun
 *     {"event":"progress","elapsed":1.0,"samples":94,"lost":0}        about once a second
 *     {"event":"done","reason":"time|stopped|target exited|daemon stopped","elapsed":30.0,
 *      "samples":2893,"lost":1,"files":[{"type":"cpu","path":"/var/lib/profd/records/…"}],
 *      "warnings":["…"]}
 *         and of type heap "calls":123456,"cost":0.012: calls that probes have hit, and what
 *         that cost the programs, in CPUs. "unseen":true: of a process nothing, or not all, was
 *         seen; a warning says why.
 *         path is "" where no copy was stored; descriptors (read-only, at offset 0) come in the
 * order of files when they are delivered. On failure: {"event":"failed","error":"…","hint":"…"}
 *     snapshot_seconds, snapshot_allocated, snapshot_grown (bytes; 0: not): of heap, when the
 *     profile so far is handed over before the end, each with a descriptor:
 *     {"event":"snapshot","number":1,"comment":"snapshot 1, 64M allocated, …"}
 *     Who may not see everything gets fewer of them (daemon/request.h), and none as long as he does
 *     not read; a warning says so.
 *     temporary (microseconds, a step of util/brief_scale.h; 0: not): of heap, label what was freed
 *     no later by the thread that allocated it.
 *     peak (true): of heap, the profile of when most was in use, before "done": number 0.
 * {"op":"snapshot"} on the same connection, {"op":"snapshot","pid":n} on another one
 *     Takes one now, or at the end, if that comes first. On another one:
 *     {"ok":true,"asked":n,"stored":false} recordings that watch the process; stored: it is
 * profiled all the time, and one of it is going into the store.
 * {"op":"blocks","pid":n} on the same connection, of heap with ages
 *     {"event":"blocks","pid":n,"count":k} + descriptor: what is in use of a process that stands
 *     still, as k times struct control_block, sorted by address.
 * {"op":"reached","pid":n,"reach":"dipr…"}  what a scan has found: one CONTROL_REACH_ character for
 *     each of these blocks, in their order. They get the label "leak_kind" in the profile.
 *     {"event":"reached","pid":n}               the process may go on
 * {"op":"stop"[,"discard":true]}
 *     On the same connection: ends its recording; "done" follows. A connection that closes ends
 *     its recording as well (what was collected is stored). discard: nothing is stored.
 *
 * {"op":"window","type":"cpu"}
 *     {"ok":true,"start":unix_seconds,"samples":n} + descriptor: the open window so far, as pprof.
 *
 * {"op":"records"}
 *     {"ok":true,"records":[{"path":"…","type":"cpu","size":n,"start":unix_seconds}]}: the user's
 * own, newest first.
 * {"op":"open","path":"/var/lib/profd/records/…"}
 *     {"ok":true} + descriptor, if it is one of the user's own.
 */
#ifndef PROFD_CONTROL_H
#define PROFD_CONTROL_H

#include <stdint.h>

#define CONTROL_SOCKET	    "/run/profd/profd.sock"
#define CONTROL_MAX_MESSAGE (1u << 20)
#define CONTROL_MAX_FDS	    8

/* An allocation in use. */
struct control_block {
	uint64_t address, size; /* bytes, as they were asked for */
};

/* Whether it can be reached, as valgrind's Memcheck tells them apart (its manual, 4.2.9). */
#define CONTROL_REACH_UNKNOWN	'-'
#define CONTROL_REACH_DEFINITE	'd' /* lost */
#define CONTROL_REACH_INDIRECT	'i' /* lost with another */
#define CONTROL_REACH_POSSIBLE	'p' /* there are pointers into the middle only */
#define CONTROL_REACH_REACHABLE 'r'

#endif
