// SPDX-License-Identifier: MIT
/*
 * crt_x86_64.c - the start files that are linked into every program and library, and built without
 * CFI: what GCC's crtbegin*.o holds, and _init and _fini.
 *
 * Sources: GCC libgcc/crtstuff.c and glibc sysdeps/x86_64/crti.S, crtn.S, as GCC 5 to 12 and
 * linkers (which turn loads of known addresses into constants) made bytes of them; musl
 * crt/x86_64/crti.s, crtn.s.
 */
#include "unwind/arch_x86_64.h"

#define PUSH_RAX    0x50
#define POP_RAX	    0x58
#define PUSH_RBP    0x55
#define POP_RBP	    0x5d
#define RSP_TO_RBP  0x48, 0x89, 0xe5
#define RET	    0xc3
#define REP_RET	    0xf3, 0xc3
#define CALL_IT	    0xe8, FOUR
#define JMP_IT	    0xe9, FOUR
#define JMP_RAX	    0xff, 0xe0
#define CALL_RAX    0xff, 0xd0
#define JUMP_IF(op) (op), ANY
#define TEST_RAX    0x48, 0x85, 0xc0
#define LEA_RDI	    0x48, 0x8d, 0x3d, FOUR
#define LEA_RSI	    0x48, 0x8d, 0x35, FOUR
#define LEA_RAX	    0x48, 0x8d, 0x05, FOUR
#define LOAD_RDI    0x48, 0x8b, 0x3d, FOUR
#define LOAD_RAX    0x48, ANY, ANY, FOUR /* mov x(%rip), %rax, or mov $x, %rax */
#define SET_EAX	    0xb8, FOUR
#define SET_EDI	    0xbf, FOUR
#define SET_ESI	    0xbe, FOUR
#define DONE_IS_0   0x80, 0x3d, FOUR, 0		       /* cmpb $0, x(%rip) */
#define SET_DONE    0xc6, 0x05, FOUR, 1		       /* movb $1, x(%rip) */
#define WEAK_IS_0   0x48, 0x83, 0x3d, FOUR, 0	       /* cmpq $0, x(%rip) */
#define RSI_IS_RDI  0x48, 0x29, 0xfe		       /* sub %rdi, %rsi: is the difference ... */
#define HALVE_RSI   0x48, 0x01, 0xc6, 0x48, 0xd1, 0xfe /* ... / 8, rounded to even, 0? */
#define EIGHTH	    0x48, 0x89, 0xf0, 0x48, 0xc1, 0xee, 0x3f, 0x48, 0xc1, 0xf8, 0x03
#define EIGHTH_OLD  0x48, 0xc1, 0xfe, 0x03, 0x48, 0x89, 0xf0, 0x48, 0xc1, 0xe8, 0x3f
#define NOPL_3	    0x0f, 0x1f, 0x00
#define NOPL_7	    0x0f, 0x1f, 0x80, 0, 0, 0, 0
#define NOPW_6	    0x66, 0x0f, 0x1f, 0x44, 0, 0
#define NOPW_9	    0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0
#define NOPW_10	    0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0
#define NOPW_15	    0x66, NOPW_10, 0x0f, 0x1f, 0x40, 0

#define LONGEST	       80
#define MOST_CHANGES   5
#define ALIGNMENT      16
#define INIT_ALIGNMENT 4 /* musl has none */

/* What lies on the stack above the return address, from a byte of the form on. */
enum holds { NOTHING, A_WORD, RBP_ONLY };

struct form {
	int16_t bytes[LONGEST]; /* a byte, or ANY */
	uint8_t length;
	struct {
		uint8_t from, holds;
	} changes[MOST_CHANGES]; /* the first is at 0; others at 0 are none */
};

#define BYTES(...) \
	.bytes = {__VA_ARGS__}, .length = sizeof((int16_t[]){__VA_ARGS__}) / sizeof(int16_t)

/* frame_dummy is a mere jump, so it is recognized only behind __do_global_dtors_aux. */
static const struct form forms[] = {
	/* deregister_tm_clones */
	{BYTES(LEA_RDI, LEA_RAX, 0x48, 0x39, 0xf8, JUMP_IF(0x74), LOAD_RAX, TEST_RAX, JUMP_IF(0x74),
		JMP_RAX, NOPL_7, RET)},
	{BYTES(SET_EAX, 0x48, 0x3d, FOUR, JUMP_IF(0x74), SET_EAX, TEST_RAX, JUMP_IF(0x74), SET_EDI,
		JMP_RAX, 0x66, 0x90, RET)},
	{BYTES(LEA_RDI, PUSH_RBP, LEA_RAX, 0x48, 0x39, 0xf8, RSP_TO_RBP, JUMP_IF(0x74), LOAD_RAX,
		 TEST_RAX, JUMP_IF(0x74), POP_RBP, JMP_RAX, NOPW_10, POP_RBP, RET),
		.changes = {{0}, {8, RBP_ONLY}, {36, NOTHING}, {48, RBP_ONLY}, {49, NOTHING}}},
	{BYTES(LEA_RDI, LEA_RAX, PUSH_RBP, 0x48, 0x29, 0xf8, RSP_TO_RBP, 0x48, 0x83, 0xf8, 0x0e,
		 JUMP_IF(0x76), LOAD_RAX, TEST_RAX, JUMP_IF(0x74), POP_RBP, JMP_RAX, NOPW_6,
		 POP_RBP, RET),
		.changes = {{0}, {15, RBP_ONLY}, {40, NOTHING}, {48, RBP_ONLY}, {49, NOTHING}}},
	/* register_tm_clones */
	{BYTES(LEA_RDI, LEA_RSI, RSI_IS_RDI, EIGHTH, HALVE_RSI, JUMP_IF(0x74), LOAD_RAX, TEST_RAX,
		JUMP_IF(0x74), JMP_RAX, NOPW_6, RET)},
	{BYTES(LEA_RDI, LEA_RSI, RSI_IS_RDI, EIGHTH_OLD, HALVE_RSI, JUMP_IF(0x74), LOAD_RAX,
		TEST_RAX, JUMP_IF(0x74), JMP_RAX, NOPW_6, RET)},
	{BYTES(SET_ESI, 0x48, 0x81, 0xee, FOUR, EIGHTH, HALVE_RSI, JUMP_IF(0x74), SET_EAX, TEST_RAX,
		JUMP_IF(0x74), SET_EDI, JMP_RAX, RET)},
	{BYTES(LEA_RDI, LEA_RSI, PUSH_RBP, RSI_IS_RDI, RSP_TO_RBP, EIGHTH_OLD, HALVE_RSI,
		 JUMP_IF(0x74), LOAD_RAX, TEST_RAX, JUMP_IF(0x74), POP_RBP, JMP_RAX, NOPW_9,
		 POP_RBP, RET),
		.changes = {{0}, {15, RBP_ONLY}, {53, NOTHING}, {64, RBP_ONLY}, {65, NOTHING}}},
	/* __do_global_dtors_aux and frame_dummy */
	{BYTES(ENDBR, DONE_IS_0, JUMP_IF(0x75), PUSH_RBP, WEAK_IS_0, RSP_TO_RBP, JUMP_IF(0x74),
		 LOAD_RDI, CALL_IT, CALL_IT, SET_DONE, POP_RBP, RET, NOPL_3, RET, NOPL_7, ENDBR,
		 JMP_IT),
		.changes = {{0}, {14, RBP_ONLY}, {52, NOTHING}}},
	{BYTES(DONE_IS_0, JUMP_IF(0x75), PUSH_RBP, WEAK_IS_0, RSP_TO_RBP, JUMP_IF(0x74), LOAD_RDI,
		 CALL_IT, CALL_IT, SET_DONE, POP_RBP, RET, NOPL_7, RET, NOPL_7, JMP_IT),
		.changes = {{0}, {10, RBP_ONLY}, {48, NOTHING}}},
	{BYTES(ENDBR, DONE_IS_0, JUMP_IF(0x75), PUSH_RBP, RSP_TO_RBP, CALL_IT, SET_DONE, POP_RBP,
		 RET, 0x90, RET, NOPW_15, ENDBR, 0xeb, ANY),
		.changes = {{0}, {14, RBP_ONLY}, {30, NOTHING}}},
	{BYTES(DONE_IS_0, JUMP_IF(0x75), WEAK_IS_0, PUSH_RBP, RSP_TO_RBP, JUMP_IF(0x74), LOAD_RDI,
		 CALL_IT, CALL_IT, SET_DONE, POP_RBP, RET, NOPL_7, REP_RET),
		.changes = {{0}, {18, RBP_ONLY}, {48, NOTHING}}},
	{BYTES(DONE_IS_0, JUMP_IF(0x75), WEAK_IS_0, PUSH_RBP, RSP_TO_RBP, JUMP_IF(0x74), LOAD_RDI,
		 CALL_IT, CALL_IT, POP_RBP, SET_DONE, REP_RET),
		.changes = {{0}, {18, RBP_ONLY}, {41, NOTHING}}},
	/* the same where libgcc_eh registers frames, and of old, frame_dummy on its own */
	{BYTES(ENDBR, DONE_IS_0, JUMP_IF(0x75), PUSH_RBP, RSP_TO_RBP, CALL_IT, SET_EAX, TEST_RAX,
		 JUMP_IF(0x74), SET_EDI, CALL_IT, SET_DONE, POP_RBP, RET, NOPL_5, RET),
		.changes = {{0}, {14, RBP_ONLY}, {50, NOTHING}}},
	{BYTES(ENDBR, SET_EAX, TEST_RAX, JUMP_IF(0x74), PUSH_RBP, SET_ESI, SET_EDI, RSP_TO_RBP,
		 CALL_IT, POP_RBP, JMP_IT, NOPW_9, JMP_IT),
		.changes = {{0}, {15, RBP_ONLY}, {34, NOTHING}}},
	{BYTES(PUSH_RBP, RSP_TO_RBP, POP_RBP, JMP_IT),
		.changes = {{0}, {1, RBP_ONLY}, {5, NOTHING}}},
	{BYTES(LEA_RDI, 0x48, 0x83, 0x3f, 0x00, JUMP_IF(0x75), JMP_IT, NOPW_6, LOAD_RAX, TEST_RAX,
		 JUMP_IF(0x74), PUSH_RBP, RSP_TO_RBP, CALL_RAX, POP_RBP, JMP_IT),
		.changes = {{0}, {37, RBP_ONLY}, {43, NOTHING}}},
};

static const struct unwind_rule rules[] = {
	[NOTHING] = {.base = RSP, .ra_offset = -WORD, .cfa_offset = WORD},
	[A_WORD] = {.base = RSP, .ra_offset = -WORD, .cfa_offset = 2 * WORD},
	[RBP_ONLY] = {.base = RSP,
		.flags = UNWIND_RULE_FP_SAVED,
		.ra_offset = -WORD,
		.fp_offset = -2 * WORD,
		.cfa_offset = 2 * WORD},
};

static void add_change(struct unwind_stub *stub, size_t from, enum holds holds)
{
	stub->rows[stub->n_rows++] = (struct unwind_stub_row){from, rules[holds]};
}

static bool is_form(const uint8_t *code, size_t size, struct unwind_stub *stub)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		const struct form *form = &forms[i];

		if (!x86_64_matches(form->bytes, form->length, code, size))
			continue;
		stub->size = form->length;
		for (size_t j = 0; j < MOST_CHANGES && (!j || form->changes[j].from); j++)
			add_change(stub, form->changes[j].from, form->changes[j].holds);
		return true;
	}
	return false;
}

/* ---- _init and _fini ---------------------------------------------------------------------- */

/* Their first and last instructions come from crti.o and crtn.o, calls between from anywhere. */
struct piece {
	int16_t bytes[14];
	uint8_t length;
};

static const struct piece endbr = {BYTES(ENDBR)};
static const struct piece begins[] = {{BYTES(0x48, 0x83, 0xec, 0x08)}, {BYTES(PUSH_RAX)}};
static const struct piece ends[] = {{BYTES(0x48, 0x83, 0xc4, 0x08, RET)}, {BYTES(POP_RAX, RET)}};
static const struct piece calls[] = {
	{BYTES(CALL_IT)}, {BYTES(LOAD_RAX, TEST_RAX, JUMP_IF(0x74), CALL_RAX)}};

static size_t skip(const struct piece *piece, const uint8_t *code, size_t size, size_t at)
{
	return x86_64_matches(piece->bytes, piece->length, code + at, size - at) ? piece->length
										 : 0;
}

static bool is_init(const uint8_t *code, size_t size, struct unwind_stub *stub)
{
	size_t at = skip(&endbr, code, size, 0), begun = 0, n = 0;
	int kind = 0;

	while (kind < 2 && !(begun = skip(&begins[kind], code, size, at)))
		kind++;
	if (!begun)
		return false;
	at += begun;
	begun = at;
	while ((n = skip(&calls[0], code, size, at)) || (n = skip(&calls[1], code, size, at)))
		at += n;
	n = skip(&ends[kind], code, size, at);
	if (!n)
		return false;
	stub->size = at + n;
	add_change(stub, 0, NOTHING);
	add_change(stub, begun, A_WORD);
	add_change(stub, stub->size - 1, NOTHING);
	return true;
}

/* ------------------------------------------------------------------------------------------- */

bool x86_64_is_crt(const uint8_t *code, size_t size, uint64_t address, struct unwind_stub *stub)
{
	stub->n_rows = 0;
	return (address % ALIGNMENT == 0 && is_form(code, size, stub)) ||
	       ((address % INIT_ALIGNMENT == 0 || *code == PUSH_RAX) && is_init(code, size, stub));
}
