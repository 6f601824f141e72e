/* SPDX-License-Identifier: MIT */
/* cfi_fixture.h - writes CIEs and FDEs byte by byte, compiles a page from them, and looks rules up
 * in it. */
#ifndef PROFD_TEST_CFI_FIXTURE_H
#define PROFD_TEST_CFI_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dwarf.h>
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "unwind/compile.h"
#include "unwind/page.h"

#define CODE	  0x10000ULL /* one page of it */
#define FRAMES	  0x800000ULL
#define RBX	  3
#define RDI	  5
#define RBP	  6
#define RSP	  7
#define R9	  9
#define R10	  10
#define RIP	  16
#define MAX_BYTES 65536

/* ---- making entries ----------------------------------------------------------------------- */

struct bytes {
	uint8_t data[MAX_BYTES];
	size_t n;
};

static inline void put(struct bytes *b, const void *data, size_t n)
{
	assert_true(n <= MAX_BYTES - b->n);
	memcpy(b->data + b->n, data, n);
	b->n += n;
}

static inline void put_number(struct bytes *b, uint64_t value, size_t size)
{
	put(b, &value, size); /* little-endian */
}

struct form {
	bool debug_frame, long_length;
	uint8_t version, encoding, return_register;
	const char *augmentation;
	const uint8_t *data; /* of the augmentation */
	size_t data_size;
};

static const struct form plain = {
	.version = 1,
	.encoding = DW_EH_PE_pcrel | DW_EH_PE_sdata4,
	.return_register = RIP,
	.augmentation = "zR",
	.data = (const uint8_t[]){DW_EH_PE_pcrel | DW_EH_PE_sdata4},
	.data_size = 1,
};

/* Begins an entry; end_entry fills in its length. */
static inline size_t begin_entry(struct bytes *b, const struct form *f, uint64_t identity)
{
	size_t at = b->n;

	if (f->long_length)
		put_number(b, 0xffffffff, 4);
	put_number(b, 0, f->long_length ? 8 : 4);
	put_number(b, identity, f->long_length && f->debug_frame ? 8 : 4);
	return at;
}

static inline void end_entry(struct bytes *b, const struct form *f, size_t at)
{
	size_t field = f->long_length ? 4 : 0, size = f->long_length ? 8 : 4;
	uint64_t length = b->n - at - field - size;

	memcpy(b->data + at + field, &length, size);
}

/* data_align -8, code_align 1, CFA = rsp + 8, the return address at CFA - 8. Returns its offset. */
static inline size_t put_cie(struct bytes *b, const struct form *f)
{
	static const uint8_t program[] = {DW_CFA_def_cfa, RSP, 8, DW_CFA_offset | RIP, 1};
	size_t at = begin_entry(b, f, f->debug_frame ? UINT64_MAX : 0);

	put_number(b, f->version, 1);
	put(b, f->augmentation, strlen(f->augmentation) + 1);
	if (f->version == 4)
		put_number(b, 8, 2); /* address size; no segments */
	put_number(b, 1, 1);
	put_number(b, 0x78, 1); /* -8 */
	put_number(b, f->return_register, 1);
	if (*f->augmentation == 'z') {
		put_number(b, f->data_size, 1);
		put(b, f->data, f->data_size);
	}
	put(b, program, sizeof(program));
	end_entry(b, f, at);
	return at;
}

static inline void put_address(struct bytes *b, uint8_t encoding, uint64_t value)
{
	static const uint8_t sizes[] = {8, 0, 2, 4, 8};

	if ((encoding & 0x70) == DW_EH_PE_pcrel)
		value -= FRAMES + b->n;
	if ((encoding & 0xf) == DW_EH_PE_uleb128) {
		for (; value > 0x7f; value >>= 7)
			put_number(b, (value & 0x7f) | 0x80, 1);
		put_number(b, value, 1);
	} else {
		put_number(b, value, sizes[encoding & 7]);
	}
}

static inline size_t put_fde(struct bytes *b, const struct form *f, size_t cie, uint64_t start,
	uint64_t size, const void *program, size_t program_size)
{
	size_t head = f->long_length ? 12 : 4, at;

	at = begin_entry(b, f, f->debug_frame ? cie : b->n + head - cie);
	put_address(b, f->encoding, start);
	put_address(b, f->encoding & 0xf, size);
	if (*f->augmentation == 'z')
		put_number(b, 0, 1);
	put(b, program, program_size);
	end_entry(b, f, at);
	return at;
}

/* ---- compiling them ----------------------------------------------------------------------- */

struct fixture {
	struct bytes frames, more; /* more: .debug_frame behind an .eh_frame */
	uint8_t *code;
	uint64_t code_size, entry;
	struct cfi_section header;
	union {
		uint32_t words[UNWIND_PAGE_WORDS];
		struct unwind_page page;
	};
	size_t n_words;
};

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (f)
		f->code_size = UNWIND_PAGE_SIZE;
	return f ? 0 : -1;
}

static inline int teardown(void **state)
{
	free(*state);
	return 0;
}

static inline void compile_page(struct fixture *f, bool debug_frame, uint64_t page)
{
	struct cfi_source source = {
		.machine = EM_X86_64,
		.entry = f->entry,
		.code = {{CODE, CODE + f->code_size, f->code}},
		.n_code = 1,
		.frames = {{f->frames.data, f->frames.n, debug_frame ? 0 : FRAMES, !debug_frame},
			{f->more.data, f->more.n, 0, false}},
		.n_frames = f->more.n ? 2 : 1,
		.header = f->header,
	};
	struct unwind_module *m;
	int n;

	assert_int_equal(unwind_module_open(&m, &source), 0);
	n = unwind_module_compile(m, page, f->words);
	assert_in_range(n, 1, UNWIND_PAGE_WORDS);
	f->n_words = (size_t)n;
	assert_int_equal(f->page.rows[0].address, 0);
	unwind_module_close(m);
}

static inline void compile(struct fixture *f)
{
	compile_page(f, false, CODE);
}

#define KIND(kind)     (UNWIND_ESCAPE | (kind))
#define SP(cfa, slot)  ((slot) << UNWIND_FP_SHIFT | (cfa) / 8)
#define FP(cfa, slot)  (UNWIND_BASE_FP | SP(cfa, slot))
#define AT(f, address) page_find(&(f)->page, (uint16_t)(address))

static inline struct unwind_rule long_rule(const struct fixture *f, uint64_t address)
{
	uint16_t rule = AT(f, address);
	size_t word = rule & (UNWIND_ESCAPE - 1U);

	assert_true(rule & UNWIND_ESCAPE);
	assert_in_range(word, UNWIND_KINDS, f->n_words - 3);
	return *page_rule(&f->page, rule);
}

static inline void expect_rule(
	const struct fixture *f, uint64_t address, const struct unwind_rule *expected)
{
	struct unwind_rule rule = long_rule(f, address);

	assert_memory_equal(&rule, expected, sizeof(rule));
}

/* One function at CODE of 0x100 bytes with this program. */
static inline void compile_program(struct fixture *f, const void *program, size_t size)
{
	f->frames.n = 0;
	put_fde(&f->frames, &plain, put_cie(&f->frames, &plain), CODE, 0x100, program, size);
	compile(f);
}

#define PROGRAM(f, ...)                                           \
	do {                                                      \
		const uint8_t program_[] = {__VA_ARGS__};         \
		compile_program((f), program_, sizeof(program_)); \
	} while (0)

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
