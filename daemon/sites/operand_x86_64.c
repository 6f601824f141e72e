// SPDX-License-Identifier: MIT
/*
 * operand_x86_64.c - operands as the assembler has them, of which the arguments of USDT probes
 * consist: $5, %rdi, -16(%rbp), 8(%rax,%rbx,4), name(%rip), name+8(%rip).
 *
 * Source: systemtap's wiki (UserSpaceProbeImplementation) and sys/sdt.h; GNU as, AT&T syntax;
 * System V ABI, AMD64 supplement, figure 3.36 (DWARF register numbers).
 */
#include <ctype.h>
#include <string.h>

#include "sites/x86_64.h"

struct text {
	const char *at, *end;
};

/* ---- registers ------------------------------------------------------------------------------ */

/* In the order of DWARF's numbers: of 64, 32, 16 and 8 bits. */
static const char names[][4][5] = {
	{"rax", "eax", "ax", "al"},
	{"rdx", "edx", "dx", "dl"},
	{"rcx", "ecx", "cx", "cl"},
	{"rbx", "ebx", "bx", "bl"},
	{"rsi", "esi", "si", "sil"},
	{"rdi", "edi", "di", "dil"},
	{"rbp", "ebp", "bp", "bpl"},
	{"rsp", "esp", "sp", "spl"},
	{"r8", "r8d", "r8w", "r8b"},
	{"r9", "r9d", "r9w", "r9b"},
	{"r10", "r10d", "r10w", "r10b"},
	{"r11", "r11d", "r11w", "r11b"},
	{"r12", "r12d", "r12w", "r12b"},
	{"r13", "r13d", "r13w", "r13b"},
	{"r14", "r14d", "r14w", "r14b"},
	{"r15", "r15d", "r15w", "r15b"},
	{"rip"},
};

static bool take(struct text *t, char c)
{
	if (t->at == t->end || *t->at != c)
		return false;
	t->at++;
	return true;
}

/* A register with its percent sign; addresses are of 64 bits. */
static bool take_register(struct text *t, bool of_address, uint8_t *number)
{
	size_t size = 0;

	if (!take(t, '%'))
		return false;
	while (t->at + size < t->end && isalnum((unsigned char)t->at[size]))
		size++;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		for (size_t form = 0; form < (of_address ? 1 : 4); form++) {
			const char *name = names[i][form];

			if (!size || strlen(name) != size || strncmp(name, t->at, size) != 0)
				continue;
			t->at += size;
			*number = (uint8_t)i;
			return true;
		}
	}
	return false;
}

/* ---- numbers and names ----------------------------------------------------------------------- */

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

static bool take_number(struct text *t, int64_t *value)
{
	bool minus = take(t, '-');
	const char *start = t->at;
	uint64_t n = 0;
	int base = 10;

	if (t->end - t->at > 2 && t->at[0] == '0' && t->at[1] == 'x') {
		base = 16;
		start = t->at += 2;
	}
	for (; t->at < t->end && digit(*t->at) < base; t->at++)
		if (__builtin_mul_overflow(n, (uint64_t)base, &n) ||
			__builtin_add_overflow(n, (uint64_t)digit(*t->at), &n))
			return false;
	*value = (int64_t)(minus ? -n : n);
	return t->at > start;
}

static bool is_of_name(char c, bool first)
{
	return isalpha((unsigned char)c) || c == '_' || c == '.' || c == '$' ||
	       (!first && isdigit((unsigned char)c));
}

/* What is in front of the registers: a number, or a name and perhaps a number. */
static bool take_displacement(struct text *t, int64_t *value, const char **symbol, size_t *length)
{
	const char *start = t->at;

	if (t->at == t->end || *t->at == '(')
		return true;
	if (!is_of_name(*t->at, true))
		return take_number(t, value);
	while (t->at < t->end && is_of_name(*t->at, t->at == start))
		t->at++;
	*symbol = start;
	*length = (size_t)(t->at - start);
	if (t->at < t->end && (*t->at == '+' || *t->at == '-'))
		return (take(t, '+') || *t->at == '-') && take_number(t, value);
	return true;
}

/* ---- operands ------------------------------------------------------------------------------ */

static bool take_scale(struct text *t, uint8_t *scale)
{
	int64_t n;

	if (!take(t, ','))
		return true;
	if (!take_number(t, &n) || (n != 1 && n != 2 && n != 4 && n != 8))
		return false;
	*scale = (uint8_t)n;
	return true;
}

/* (base), (base,index), (base,index,scale), (,index,scale) */
static bool take_registers(struct text *t, struct heap_argument *a)
{
	if (!take(t, '('))
		return false;
	if (t->at < t->end && *t->at == '%' && !take_register(t, true, &a->base))
		return false;
	if (take(t, ',') && (!take_register(t, true, &a->index) || !take_scale(t, &a->scale)))
		return false;
	return take(t, ')') && a->index != HEAP_ARGUMENT_IP &&
	       (a->base != HEAP_NO_REGISTER || a->index != HEAP_NO_REGISTER);
}

bool x86_64_parse_operand(const char *text, size_t size, struct heap_argument *argument,
	const char **symbol, size_t *length)
{
	struct text t = {text, text + size};
	struct heap_argument *a = argument;
	bool good;

	*symbol = NULL;
	a->base = a->index = HEAP_NO_REGISTER;
	a->scale = 1;
	a->value = 0;
	if (take(&t, '$')) {
		a->kind = HEAP_CONSTANT;
		good = take_number(&t, &a->value);
	} else if (t.at < t.end && *t.at == '%') {
		a->kind = HEAP_REGISTER;
		good = take_register(&t, false, &a->base) && a->base != HEAP_ARGUMENT_IP;
	} else {
		a->kind = HEAP_MEMORY;
		good = take_displacement(&t, &a->value, symbol, length) && take_registers(&t, a) &&
		       !!*symbol == (a->base == HEAP_ARGUMENT_IP) &&
		       (!*symbol || a->index == HEAP_NO_REGISTER);
	}
	return good && t.at == t.end;
}
