/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* unwind_state.h - what the table-driven unwinder knows between two steps. */
#ifndef PROFD_BPF_UNWIND_STATE_H
#define PROFD_BPF_UNWIND_STATE_H

#include "profd/abi.h"
#include "profd/tables.h"

#define WALK_READ_ONCE(x) (*(volatile typeof(x) *)&(x))
/* The compiler moves no read or write over it. */
#define WALK_BARRIER() __asm__ volatile("" ::: "memory")

struct table_frame {
	__u64 ip, sp, fp;
	__u8 innermost;
	__u8 registers; /* TABLE_REGISTER works, as long as the frame is the innermost */
	__u8 exact;	/* ip is where the frame was interrupted, not a return address */
	__u8 fp_lost;
};

/* What a step returns that is no enum profd_unwind_end. */
enum walk_step {
	WALK_GO_ON = -1, /* the frame is the caller's now */
	WALK_MISS = -2,	 /* w->missing says what is */
	/* Of steps along a memo: */
	WALK_RECOGNISED = -3, /* the caller is a frame of the memo */
	WALK_BY_ROWS = -4,    /* the frame was not left: rows have to say how */
};

struct walk {
	struct table_frame frame;
	__u32 first, count; /* the mapping array */
	__u32 now;	    /* for tables_entry.used */
	__u32 page;	    /* PROFD_MISSING_PAGE: entry in the directory */
	__u8 missing;	    /* enum profd_missing */
	__u8 slot;	    /* how the frame was left: see unwind_memo.h */
	__u16 row;	    /* and the rule of 16 bits that said so; WALK_NO_ROW: another way */
	__u8 current;	    /* the mapping array is known to be true: nothing is missing in it */
};

/* Words of the stack that were read at once (unwind_span.h). */
#define SPAN_WORDS 64
#define SPAN_NONE  1 /* no word begins there */
struct stack_span {
	__u64 at; /* the first one's address; SPAN_NONE: none was read */
	__u8 off; /* words are read one by one */
	__u64 words[SPAN_WORDS];
};

/* ---- a thread's last stack (unwind_memo.h) ------------------------------------------------- */

#define MEMO_FRAMES  128  /* deeper stacks are not remembered */
#define MEMO_THREADS 1024 /* by tid modulo this number */

/* A frame, and where its caller's registers lie, from the caller's stack pointer down: the return
 * address in the first word, the frame pointer `slot` words further (0: it was not saved). For
 * other values of walk.slot: see unwind_walk.h. */
struct memo_entry {
	__u64 ip;     /* the slot is in the highest byte */
	__u32 sp, fp; /* their low halves */
};

struct memo {
	__u32 sequence; /* odd: it is being written */
	__u32 tid;
	__u32 mappings; /* version of the mapping array */
	__u32 n;	/* entries; the first is the outermost frame */
	__u32 sp_high;	/* the high half of all stack pointers */
	__u32 writers;	/* preemptible programs that write it now, or want to */
	__u32 pad[2];
	struct memo_entry entries[MEMO_FRAMES];
};

/* What a walk knows of the memo that it goes along. */
struct memo_walk {
	__u32 sequence; /* of the memo when the walk began */
	__u32 left;	/* entries that a frame can still be one of: those below */
	__u32 at;	/* the entry that the frame is */
	__u32 depth;	/* frame number + entry of those that were recognised; 0: none was */
	__u64 fp_at;	/* the frame pointer is what lies there; 0: it is table_frame.fp */
	__u32 n_slow;	/* frames that were walked by rows */
	__u32 simple;	/* frames from this number on were left in a simple way */
	__u8 broken;	/* the new stack does not fit into the memo */
	struct stack_span span;
};

#endif
