// SPDX-License-Identifier: MIT
/* Instructions of real libraries, decoded here and by capstone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <capstone/capstone.h>
#include <cmocka.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "sites/image.h"
#include "sites/insn_x86_64.h"
#include "util/cleanup.h"

struct counts {
	csh handle;
	cs_insn *insn;
	const struct image *image;
	unsigned long seen, known, emulated;
};

/* The number of the general register that one of capstone's is a part of, or -1. */
static int number_of(csh handle, unsigned reg)
{
	static const char *const names[16][5] = {{"rax", "eax", "ax", "al", "ah"},
		{"rcx", "ecx", "cx", "cl", "ch"}, {"rdx", "edx", "dx", "dl", "dh"},
		{"rbx", "ebx", "bx", "bl", "bh"}, {"rsp", "esp", "sp", "spl", ""},
		{"rbp", "ebp", "bp", "bpl", ""}, {"rsi", "esi", "si", "sil", ""},
		{"rdi", "edi", "di", "dil", ""}, {"r8", "r8d", "r8w", "r8b", ""},
		{"r9", "r9d", "r9w", "r9b", ""}, {"r10", "r10d", "r10w", "r10b", ""},
		{"r11", "r11d", "r11w", "r11b", ""}, {"r12", "r12d", "r12w", "r12b", ""},
		{"r13", "r13d", "r13w", "r13b", ""}, {"r14", "r14d", "r14w", "r14b", ""},
		{"r15", "r15d", "r15w", "r15b", ""}};
	const char *name = cs_reg_name(handle, reg);

	for (int i = 0; name && i < 16; i++)
		for (int form = 0; form < 5; form++)
			if (!strcmp(names[i][form], name))
				return i;
	return -1;
}

static bool is_direct(const cs_insn *insn)
{
	return insn->detail->x86.op_count == 1 && insn->detail->x86.operands[0].type == X86_OP_IMM;
}

static void expect(const struct counts *c, const char *what, int64_t mine, int64_t theirs)
{
	if (mine != theirs)
		fail_msg("%s %s: %s is %" PRId64 ", not %" PRId64, c->insn->mnemonic,
			c->insn->op_str, what, theirs, mine);
}

static void check_writes(const struct counts *c, const struct insn *mine)
{
	const cs_insn *insn = c->insn;
	cs_regs read, written;
	uint8_t n_read, n;

	/* capstone 4 says that test writes, and the first one of cdq and cqo. */
	if (mine->flow >= INSN_RETURN || insn->id == X86_INS_TEST || insn->id == X86_INS_CDQ ||
		insn->id == X86_INS_CQO)
		return;
	assert_int_equal(cs_regs_access(c->handle, insn, read, &n_read, written, &n), 0);
	for (uint8_t i = 0; i < n; i++) {
		int number = number_of(c->handle, written[i]);

		if (number >= 0 && !(mine->writes >> number & 1))
			fail_msg("%s %s writes %s", insn->mnemonic, insn->op_str,
				cs_reg_name(c->handle, written[i]));
	}
}

static void check_flow(const struct counts *c, const struct insn *mine)
{
	const cs_insn *insn = c->insn;
	bool jumps = cs_insn_group(c->handle, insn, CS_GRP_JUMP) || insn->id == X86_INS_LOOP;
	bool calls = cs_insn_group(c->handle, insn, CS_GRP_CALL);

	if (jumps && is_direct(insn)) {
		expect(c, "flow", mine->flow, insn->id == X86_INS_JMP ? INSN_JUMP : INSN_BRANCH);
		expect(c, "target", (int64_t)(insn->address + insn->size) + mine->distance,
			insn->detail->x86.operands[0].imm);
	} else if (calls) {
		expect(c, "flow", mine->flow, INSN_CALL);
	} else if (jumps || insn->id == X86_INS_SYSCALL) {
		expect(c, "flow", mine->flow, INSN_AWAY);
	} else if (cs_insn_group(c->handle, insn, CS_GRP_RET)) {
		expect(c, "flow", mine->flow, INSN_RETURN);
	} else if (insn->id == X86_INS_INT3 || insn->id == X86_INS_UD2 || insn->id == X86_INS_HLT) {
		expect(c, "flow", mine->flow, INSN_END);
	} else {
		expect(c, "flow", mine->flow, INSN_NEXT);
	}
}

/* All that the oldest kernels emulate, by capstone's words for it. */
static bool may_be_emulated(const struct counts *c)
{
	const cs_insn *insn = c->insn;
	const cs_x86 *x = &insn->detail->x86;

	if (x->prefix[0] || x->prefix[1] || x->prefix[2])
		return false;
	switch (insn->id) {
	case X86_INS_PUSH:
		return x->operands[0].type == X86_OP_REG && x->operands[0].reg != X86_REG_FS &&
		       x->operands[0].reg != X86_REG_GS;
	case X86_INS_NOP:
		return insn->size == 1;
	case X86_INS_LOOP:
	case X86_INS_LOOPE:
	case X86_INS_LOOPNE:
	case X86_INS_JRCXZ:
		return false;
	default:
		return (cs_insn_group(c->handle, insn, CS_GRP_JUMP) ||
			       cs_insn_group(c->handle, insn, CS_GRP_CALL)) &&
		       is_direct(insn);
	}
}

static void check_copy(const struct counts *c, const struct insn *mine)
{
	const cs_insn *insn = c->insn;
	const cs_x86_op *to = &insn->detail->x86.operands[0], *from = to + 1;
	bool copies = insn->id == X86_INS_MOV && to->type == X86_OP_REG &&
		      from->type == X86_OP_REG && to->size == 8 && from->reg != X86_REG_FS &&
		      number_of(c->handle, from->reg) >= 0;

	expect(c, "copies", mine->copies, copies);
	if (!copies)
		return;
	expect(c, "to", mine->to, number_of(c->handle, to->reg));
	expect(c, "from", mine->from, number_of(c->handle, from->reg));
}

static void check(struct counts *c, const uint8_t *code, size_t size)
{
	struct insn mine, cut;

	c->seen++;
	if (!insn_decode(code, size, &mine))
		return;
	c->known++;
	c->emulated += mine.emulated;
	expect(c, "size", (int64_t)mine.size, c->insn->size);
	assert_false(insn_decode(code, mine.size - 1, &cut));
	expect(c, "emulated", mine.emulated, may_be_emulated(c));
	check_flow(c, &mine);
	check_writes(c, &mine);
	check_copy(c, &mine);
}

/* A part of each function is enough: they are alike. */
#define PART 400

static bool on_function(void *userdata, const char *name, uint64_t address, uint64_t size,
	unsigned type, unsigned binding)
{
	struct counts *c = userdata;
	size_t left = 0;
	const uint8_t *code = image_code(c->image, address, &left), *at = code;

	if (type != STT_FUNC || !code)
		return true;
	if (size < left)
		left = size;
	while (left && at - code < PART && cs_disasm_iter(c->handle, &at, &left, &address, c->insn))
		check(c, at - c->insn->size, left + c->insn->size);
	return true;
}

static void instructions_are_capstones(void **state)
{
	static const char *const paths[] = {"libc.so.6", "libstdc++.so.6", "libjemalloc.so.2",
		"libtcmalloc_minimal.so.4", "libmimalloc.so.2.0", "libcrypto.so.3"};
	struct counts c = {0};

	assert_int_equal(cs_open(CS_ARCH_X86, CS_MODE_64, &c.handle), 0);
	cs_option(c.handle, CS_OPT_DETAIL, CS_OPT_ON);
	c.insn = cs_malloc(c.handle);
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		char path[128];
		struct elf_file file;
		struct image image;

		snprintf(path, sizeof(path), "/usr/lib/x86_64-linux-gnu/%s", paths[i]);
		_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

		assert_int_equal(elf_file_open(&file, fd), 0);
		assert_int_equal(image_open(&image, &file), 0);
		c.image = &image;
		assert_true(image_symbols(&image, on_function, &c) > 0);
		elf_file_close(&file);
	}
	cs_free(c.insn, 1);
	cs_close(&c.handle);
	print_message("%lu instructions, %lu known, %lu emulated\n", c.seen, c.known, c.emulated);
	assert_true(c.seen > 100000);
	assert_true((double)c.known > 0.98 * (double)c.seen);
	assert_true(c.emulated > c.seen / 20);
}

struct example {
	const char *bytes;
	size_t size;
	bool known, emulated, refused;
};

/* What compilers do not write at the beginning of functions. */
static void other_forms(void **state)
{
	static const struct example examples[] = {
		{"\x90", 1, true, true, false},			      /* nop */
		{"\x66\x90", 2, true, false, false},		      /* xchg %ax,%ax */
		{"\xf3\x90", 2, true, false, false},		      /* pause */
		{"\x0f\x1f\x44\0\0", 5, true, false, false},	      /* nopl */
		{"\x2e\x66\x0f\x1f\x44\0\0", 7, true, false, true},   /* cs nopw */
		{"\xf3\x0f\x1e\xfa", 4, true, false, false},	      /* endbr64 */
		{"\x41\x57", 2, true, true, false},		      /* push %r15 */
		{"\x48\x55", 2, true, false, false},		      /* rex.W push %rbp */
		{"\x66\x55", 2, true, false, false},		      /* push %bp */
		{"\x66\xe9\0\0\0\0", 6, true, false, false},	      /* jmpw, of Intel */
		{"\xf2\xe9\0\0\0\0", 6, true, false, false},	      /* bnd jmp */
		{"\x3e\x75\0", 3, true, false, true},		      /* jne,pt */
		{"\xc5\xf8\x77", 3, true, false, true},		      /* vzeroupper */
		{"\x62\xf1\x7c\x48\x28\xc0", 6, false, false, false}, /* EVEX */
		{"\x06", 1, false, false, false},
		{"", 0, false, false, false},
	};

	for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++) {
		const struct example *e = &examples[i];
		struct insn insn;

		assert_int_equal(insn_decode((const uint8_t *)e->bytes, e->size, &insn), e->known);
		if (!e->known)
			continue;
		assert_int_equal(insn.size, e->size);
		assert_int_equal(insn.emulated, e->emulated);
		assert_int_equal(insn.refused, e->refused);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(instructions_are_capstones),
		cmocka_unit_test(other_forms),
	};

	elf_version(EV_CURRENT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
