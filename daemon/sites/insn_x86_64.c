// SPDX-License-Identifier: MIT
/*
 * Sources: Intel SDM volume 2 (formats, opcode maps); Linux arch/x86/kernel/uprobes.c:
 * branch_setup_xol_ops() and push_setup_xol_ops() say what is emulated: jmp, call and jcc with a
 * distance, and nop as one byte, but all of them only without an operand size prefix; push of a
 * register, with no other prefix than 41. Newer kernels emulate more: long nops from 6.16 on, some
 * mov and sub later. That is not counted on. is_prefix_bad() and good_insns_64 there say what no
 * uprobe can be on; VEX, for one.
 */
#include "sites/insn_x86_64.h"

#include "util/reader.h"

#define MAX_SIZE 15

struct decoder {
	struct reader r;
	struct insn *insn;
	bool operand_size, rep, repne, other; /* prefixes; other: but rep and repne */
	bool rex_there;
	uint8_t rex; /* its low four bits: W R X B */
	bool byte;   /* it works on bytes */
	uint8_t mode, reg, rm;
};

#define REX_W 8
#define REX_R 4
#define REX_B 1

/* Without prefixes, but for REX. */
static bool is_bare(const struct decoder *d)
{
	return !d->other && !d->operand_size && !d->rep && !d->repne;
}

/* The register that the low bits of an opcode name. */
static unsigned opcode_register(const struct decoder *d, uint8_t opcode)
{
	return (opcode & 7u) | (d->rex & REX_B ? 8u : 0u);
}

static void write_register(struct decoder *d, unsigned number)
{
	d->insn->writes |= (uint16_t)(1u << number);
	/* Without REX these are the second bytes of rax to rbx. */
	if (d->byte && !d->rex_there && number >= 4 && number < 8)
		d->insn->writes |= (uint16_t)(1u << (number - 4));
}

/* ---- operands ------------------------------------------------------------------------------ */

static void read_modrm(struct decoder *d)
{
	uint8_t modrm = read_byte(&d->r), base;

	d->mode = modrm >> 6;
	d->reg = (modrm >> 3 & 7) | (d->rex & REX_R ? 8 : 0);
	d->rm = modrm & 7;
	if (d->mode != 3) {
		base = d->rm == 4 ? read_byte(&d->r) & 7 : d->rm;
		if (d->mode == 1)
			read_bytes(&d->r, 1);
		else if (d->mode == 2 || base == 5)
			read_bytes(&d->r, 4);
	}
	d->rm |= d->rex & REX_B ? 8 : 0;
}

static void write_rm(struct decoder *d)
{
	if (d->mode == 3)
		write_register(d, d->rm);
}

/* An immediate operand that is no longer than four bytes. */
static void read_immediate(struct decoder *d)
{
	read_bytes(&d->r, d->byte ? 1 : d->operand_size ? 2 : 4);
}

static void set_jump(struct decoder *d, enum insn_flow flow, size_t size)
{
	d->insn->flow = flow;
	d->insn->distance = (int32_t)read_signed(&d->r, size);
	d->insn->emulated = is_bare(d) && !d->rex_there;
}

/* ---- opcodes of one byte ------------------------------------------------------------------- */

/* 00 to 3f: add, or, adc, sbb, and, sub, xor, cmp, each in six forms. */
static bool decode_arithmetic(struct decoder *d, uint8_t opcode)
{
	bool compares = opcode >> 3 == 7;
	unsigned form = opcode & 7;

	if (form >= 6)
		return false;
	d->byte = !(form & 1);
	if (form >= 4)
		read_immediate(d);
	else
		read_modrm(d);
	if (compares)
		return true;
	if (form >= 4)
		write_register(d, INSN_RAX);
	else if (form >= 2)
		write_register(d, d->reg);
	else
		write_rm(d);
	return true;
}

static bool decode_stack(struct decoder *d, uint8_t opcode)
{
	write_register(d, INSN_RSP);
	switch (opcode) {
	case 0x50 ... 0x57:
		d->insn->emulated = is_bare(d) && (!d->rex_there || d->rex == REX_B);
		return true;
	case 0x58 ... 0x5f:
		write_register(d, opcode_register(d, opcode));
		return true;
	case 0x68:
		read_immediate(d);
		return true;
	case 0x6a:
		read_bytes(&d->r, 1);
		return true;
	case 0x8f:
		read_modrm(d);
		write_rm(d);
		return true;
	case 0xc9: /* leave */
		write_register(d, INSN_RBP);
		return true;
	default: /* pushf, popf */
		return true;
	}
}

static bool decode_move(struct decoder *d, uint8_t opcode)
{
	switch (opcode) {
	case 0xb0 ... 0xbf:
		d->byte = opcode < 0xb8;
		read_bytes(&d->r, d->byte ? 1 : d->rex & REX_W ? 8 : d->operand_size ? 2 : 4);
		write_register(d, opcode_register(d, opcode));
		return true;
	case 0xc6:
	case 0xc7:
		d->byte = opcode == 0xc6;
		read_modrm(d);
		read_immediate(d);
		write_rm(d);
		return !(d->reg & 7);
	default:
		d->byte = !(opcode & 1) && opcode != 0x8e;
		read_modrm(d);
		if (opcode == 0x8a || opcode == 0x8b || opcode == 0x8d || opcode == 0x63)
			write_register(d, d->reg);
		else if (opcode != 0x8e)
			write_rm(d);
		d->insn->copies = (opcode == 0x89 || opcode == 0x8b) && d->mode == 3 &&
				  d->rex & REX_W;
		d->insn->from = opcode == 0x89 ? d->reg : d->rm;
		d->insn->to = opcode == 0x89 ? d->rm : d->reg;
		return true;
	}
}

/* Those whose operation stands in the register's place of ModRM. */
static bool decode_group(struct decoder *d, uint8_t opcode)
{
	unsigned operation;

	d->byte = !(opcode & 1);
	read_modrm(d);
	operation = d->reg & 7;
	switch (opcode) {
	case 0x80:
	case 0x81:
	case 0x83:
		read_bytes(&d->r, opcode != 0x81 ? 1 : d->operand_size ? 2 : 4);
		if (operation != 7)
			write_rm(d);
		return true;
	case 0xf6:
	case 0xf7:
		if (operation < 2) {
			read_immediate(d);
		} else if (operation < 4) {
			write_rm(d);
		} else {
			write_register(d, INSN_RAX);
			write_register(d, INSN_RDX);
		}
		return true;
	case 0xff:
		if (operation == 2 || operation == 3) {
			d->insn->flow = INSN_CALL;
			write_register(d, INSN_RSP);
			return true;
		}
		if (operation == 4 || operation == 5) {
			d->insn->flow = INSN_AWAY;
			return true;
		}
		if (operation == 6) {
			write_register(d, INSN_RSP);
			return true;
		}
		/* fall through */
	default: /* fe, ff: inc, dec; c0, c1, d0 to d3: shifts */
		if (opcode == 0xc0 || opcode == 0xc1)
			read_bytes(&d->r, 1);
		write_rm(d);
		return operation < 2 || opcode < 0xfe;
	}
}

static bool decode_imul(struct decoder *d, uint8_t opcode)
{
	read_modrm(d);
	if (opcode == 0x69)
		read_immediate(d);
	else
		read_bytes(&d->r, 1);
	write_register(d, d->reg);
	return true;
}

static bool decode_test(struct decoder *d, uint8_t opcode)
{
	d->byte = !(opcode & 1);
	if (opcode == 0xa8 || opcode == 0xa9) /* with rax */
		read_immediate(d);
	else
		read_modrm(d);
	return true;
}

/* Of 90 to 97 those with rax. */
static bool decode_exchange(struct decoder *d, uint8_t opcode)
{
	if (opcode == 0x86 || opcode == 0x87) {
		d->byte = opcode == 0x86;
		read_modrm(d);
		write_rm(d);
		write_register(d, d->reg);
		return true;
	}
	if (opcode == 0x90) {
		d->insn->emulated = is_bare(d) && !d->rex_there;
		if (!(d->rex & REX_B)) /* nop */
			return true;
	}
	write_register(d, INSN_RAX);
	write_register(d, opcode_register(d, opcode));
	return true;
}

static bool decode_sign_extension(struct decoder *d, uint8_t opcode)
{
	write_register(d, opcode == 0x98 ? INSN_RAX : INSN_RDX);
	return true;
}

static bool decode_string(struct decoder *d, uint8_t opcode)
{
	d->insn->writes |= 1 << INSN_RAX | 1 << INSN_RCX | 1 << INSN_RSI | 1 << INSN_RDI;
	return true;
}

static bool decode_return(struct decoder *d, uint8_t opcode)
{
	read_bytes(&d->r, opcode == 0xc2 ? 2 : 0);
	d->insn->flow = INSN_RETURN;
	return true;
}

static bool decode_trap(struct decoder *d, uint8_t opcode)
{
	d->insn->refused = true;
	d->insn->flow = INSN_END;
	return true;
}

/* fnstsw writes ax. */
static bool decode_x87(struct decoder *d, uint8_t opcode)
{
	read_modrm(d);
	write_register(d, INSN_RAX);
	return true;
}

static bool decode_branch(struct decoder *d, uint8_t opcode)
{
	set_jump(d, INSN_BRANCH, 1);
	return true;
}

static bool decode_loop(struct decoder *d, uint8_t opcode)
{
	set_jump(d, INSN_BRANCH, 1);
	d->insn->emulated = false;
	write_register(d, INSN_RCX);
	return true;
}

static bool decode_call(struct decoder *d, uint8_t opcode)
{
	set_jump(d, INSN_CALL, 4);
	write_register(d, INSN_RSP);
	return true;
}

static bool decode_jump(struct decoder *d, uint8_t opcode)
{
	set_jump(d, INSN_JUMP, opcode == 0xe9 ? 4 : 1);
	return true;
}

/* By opcode; NULL: not in programs of 64 bits, or a prefix, or seldom. */
static bool (*const one_byte[256])(struct decoder *d, uint8_t opcode) = {
	[0x00 ... 0x3f] = decode_arithmetic,
	[0x50 ... 0x5f] = decode_stack, /* push, pop */
	[0x63] = decode_move,		/* movslq */
	[0x68] = decode_stack,		/* push */
	[0x69] = decode_imul,
	[0x6a] = decode_stack, /* push */
	[0x6b] = decode_imul,
	[0x70 ... 0x7f] = decode_branch,
	[0x80 ... 0x81] = decode_group, /* arithmetic */
	[0x83] = decode_group,
	[0x84 ... 0x85] = decode_test,
	[0x86 ... 0x87] = decode_exchange,
	[0x88 ... 0x8b] = decode_move,
	[0x8d ... 0x8e] = decode_move,	   /* lea, to a segment register */
	[0x8f] = decode_stack,		   /* pop */
	[0x90 ... 0x97] = decode_exchange, /* 90: nop */
	[0x98 ... 0x99] = decode_sign_extension,
	[0x9c ... 0x9d] = decode_stack,	 /* pushf, popf */
	[0xa4 ... 0xa7] = decode_string, /* movs, cmps */
	[0xa8 ... 0xa9] = decode_test,
	[0xaa ... 0xaf] = decode_string, /* stos, lods, scas */
	[0xb0 ... 0xbf] = decode_move,
	[0xc0 ... 0xc1] = decode_group, /* shifts */
	[0xc2 ... 0xc3] = decode_return,
	[0xc6 ... 0xc7] = decode_move,
	[0xc9] = decode_stack,		/* leave */
	[0xcc] = decode_trap,		/* int3 */
	[0xd0 ... 0xd3] = decode_group, /* shifts */
	[0xd8 ... 0xdf] = decode_x87,
	[0xe0 ... 0xe3] = decode_loop, /* loop, jrcxz */
	[0xe8] = decode_call,
	[0xe9] = decode_jump,
	[0xeb] = decode_jump,
	[0xf4] = decode_trap,		/* hlt */
	[0xf6 ... 0xf7] = decode_group, /* test, not, neg, mul, div */
	[0xfe ... 0xff] = decode_group, /* inc, dec, call, jmp, push */
};

static bool decode_one(struct decoder *d, uint8_t opcode)
{
	return one_byte[opcode] && one_byte[opcode](d, opcode);
}

/* ---- opcodes of two and three bytes ---------------------------------------------------------- */

/* What is not known to leave general registers alone is taken to change those that it names. */
static bool names_registers(uint8_t opcode)
{
	switch (opcode) {
	case 0x0d:	    /* prefetch */
	case 0x10 ... 0x17: /* moves of vectors */
	case 0x18 ... 0x1d:
	case 0x1f: /* nop */
	case 0x28 ... 0x2b:
	case 0x2e:
	case 0x2f:
	case 0x51 ... 0x6d:
	case 0x6f:
	case 0x74 ... 0x76:
	case 0x7c:
	case 0x7d:
	case 0x7f:
	case 0xa3: /* bt */
	case 0xc2:
	case 0xc6:
	case 0xd0 ... 0xd6:
	case 0xd8 ... 0xfe:
		return false;
	default:
		return true;
	}
}

static bool has_immediate(uint8_t opcode)
{
	switch (opcode) {
	case 0x70 ... 0x73:
	case 0xa4:
	case 0xac:
	case 0xba:
	case 0xc2:
	case 0xc4 ... 0xc6:
		return true;
	default:
		return false;
	}
}

/* An opcode with ModRM, of the maps behind 0f, 0f 38 (2) and 0f 3a (3). */
static void decode_vector(struct decoder *d, unsigned map, uint8_t opcode)
{
	read_modrm(d);
	if (map == 3 || (map == 1 && has_immediate(opcode)))
		read_bytes(&d->r, 1);
	if (map == 1 && !names_registers(opcode))
		return;
	write_register(d, d->reg);
	write_rm(d);
}

/* Behind 0f: or seldom. */
static bool is_not_in_programs(uint8_t opcode)
{
	switch (opcode) {
	case 0x00 ... 0x04:
	case 0x06 ... 0x0a:
	case 0x0c:
	case 0x0e ... 0x0f:
	case 0x20 ... 0x27:
	case 0x30:
	case 0x32 ... 0x37:
	case 0x39:
	case 0x3b ... 0x3f:
	case 0xa0 ... 0xa1:
	case 0xa6 ... 0xaa:
	case 0xff:
		return true;
	default:
		return false;
	}
}

static bool decode_two(struct decoder *d)
{
	static const unsigned cpuid = 1 << INSN_RAX | 1 << INSN_RBX | 1 << INSN_RCX | 1 << INSN_RDX;
	uint8_t opcode = read_byte(&d->r);

	switch (opcode) {
	case 0x05: /* syscall */
		d->insn->flow = INSN_AWAY;
		return true;
	case 0x0b: /* ud2 */
		d->insn->flow = INSN_END;
		return true;
	case 0x31:
	case 0xa2: /* rdtsc, cpuid */
		d->insn->writes |= cpuid;
		return true;
	case 0x77: /* emms */
		return true;
	case 0x1e: /* nop, and endbr64; rdssp names a register */
		read_modrm(d);
		if (d->rep && d->mode == 3 && (d->reg & 7) != 7)
			write_rm(d);
		return true;
	case 0x80 ... 0x8f:
		set_jump(d, INSN_BRANCH, 4);
		return true;
	case 0x38:
		decode_vector(d, 2, read_byte(&d->r));
		return true;
	case 0x3a:
		decode_vector(d, 3, read_byte(&d->r));
		return true;
	case 0xc8 ... 0xcf: /* bswap */
		write_register(d, opcode_register(d, opcode));
		return true;
	case 0xb0:
	case 0xb1:
	case 0xc7: /* cmpxchg and its like */
		write_register(d, INSN_RAX);
		write_register(d, INSN_RDX);
		break;
	default:
		if (is_not_in_programs(opcode))
			return false;
		break;
	}
	d->byte = (opcode >= 0x90 && opcode <= 0x9f) || opcode == 0xb0 || opcode == 0xc0;
	decode_vector(d, 1, opcode);
	return true;
}

/* c5 and one byte, or c4 and two, stand for prefixes and the map. */
static bool decode_vex(struct decoder *d, uint8_t first)
{
	uint8_t bits = read_byte(&d->r), last = bits;
	unsigned map = 1;

	d->insn->refused = true;
	d->rex = bits & 0x80 ? 0 : REX_R;
	if (first == 0xc4) {
		map = bits & 0x1f;
		d->rex |= bits & 0x20 ? 0 : REX_B;
		last = read_byte(&d->r);
	}
	if (!map || map > 3)
		return false;
	write_register(d, ~last >> 3 & 15);
	uint8_t opcode = read_byte(&d->r);

	if (map == 1 && opcode == 0x77) /* vzeroupper */
		return true;
	decode_vector(d, map, opcode);
	return true;
}

/* ------------------------------------------------------------------------------------------- */

/* Reads prefixes. Returns what follows them. */
static uint8_t read_prefixes(struct decoder *d)
{
	for (;;) {
		uint8_t byte = read_byte(&d->r);

		switch (byte) {
		case 0x66:
			d->operand_size = true;
			break;
		case 0xf2:
			d->repne = true;
			break;
		case 0xf3:
			d->rep = true;
			break;
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0xf0:
			d->insn->refused = true;
			/* fall through */
		case 0x64:
		case 0x65:
		case 0x67:
			d->other = true;
			break;
		default:
			if ((byte & 0xf0) != 0x40)
				return byte;
			d->rex_there = true;
			d->rex = byte & 0x0f;
			return read_byte(&d->r);
		}
		if (d->r.failed)
			return 0;
	}
}

bool insn_decode(const uint8_t *code, size_t size, struct insn *insn)
{
	struct decoder d = {
		.r = reader_of(code, size < MAX_SIZE ? size : MAX_SIZE),
		.insn = insn,
	};
	uint8_t opcode;
	bool known;

	*insn = (struct insn){0};
	opcode = read_prefixes(&d);
	if (opcode == 0x0f)
		known = decode_two(&d);
	else if (opcode == 0xc4 || opcode == 0xc5)
		known = decode_vex(&d, opcode);
	else
		known = decode_one(&d, opcode);
	insn->size = (size_t)(d.r.at - code);
	return known && !d.r.failed;
}
