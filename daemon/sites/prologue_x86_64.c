// SPDX-License-Identifier: MIT
/*
 * prologue_x86_64.c - where in a function a uprobe costs least. The code is followed from the entry
 * as long as it is straight and all that a program wants to see is still in some register: then
 * every call comes by, and once only, unless the function jumps back to between the two. The first
 * instruction there that the kernel emulates is the place.
 *
 * Sources: System V ABI, AMD64 supplement (arguments in rdi, rsi, rdx); Linux
 * kernel/events/uprobes.c, prepare_uretprobe(): a return probe takes the return address from the
 * top of the stack, wherever in the function it is.
 */
#include <elf.h>
#include <string.h>

#include "sites/insn_x86_64.h"
#include "sites/x86_64.h"

/* Bytes of a function that are followed from its entry, and that are searched for jumps back. */
#define MAX_PROLOGUE 256
#define MAX_SEARCHED (64u << 10)

#define BIT(number) ((uint16_t)(1u << (number)))

/* ---- where the arguments are ------------------------------------------------------------------
 */

struct state {
	uint16_t holds[HEAP_ARGUMENTS]; /* bits of the registers that have it */
	bool moved;			/* the stack pointer */
};

static const struct state at_entry = {.holds = {BIT(INSN_RDI), BIT(INSN_RSI), BIT(INSN_RDX)}};

static void step(struct state *state, const struct insn *insn)
{
	for (int i = 0; i < HEAP_ARGUMENTS; i++) {
		bool copied = insn->copies && state->holds[i] & BIT(insn->from);

		state->holds[i] &= (uint16_t)~insn->writes;
		if (copied)
			state->holds[i] |= BIT(insn->to);
	}
	state->moved |= insn->writes & BIT(INSN_RSP);
}

/* Those of the ABI if they still do. False: something that is needed is lost. */
static bool find_registers(const struct state *state, struct heap_site *site)
{
	static const uint8_t dwarf[] = {0, 2, 1, 3, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15};

	unsigned needed = heap_function_arguments(site->function);

	if (state->moved && site->function != HEAP_FREE)
		return false;
	for (int i = 0; i < HEAP_ARGUMENTS; i++) {
		uint16_t holds = state->holds[i];

		site->registers[i] = HEAP_NO_REGISTER;
		if (!(needed >> i & 1))
			continue;
		if (!holds)
			return false;
		if (holds & at_entry.holds[i])
			holds = at_entry.holds[i];
		site->registers[i] = dwarf[__builtin_ctz(holds)];
	}
	return true;
}

/* ---- jumps back ----------------------------------------------------------------------------- */

static bool leads_between(size_t behind, int64_t distance, size_t probe)
{
	int64_t target = (int64_t)behind + distance;

	return target > 0 && target <= (int64_t)probe;
}

/* Any byte may begin a jump. */
static bool may_jump_back(const uint8_t *code, size_t size, size_t at, size_t probe)
{
	int32_t distance;

	if (at + 2 <= size &&
		((code[at] & 0xf0) == 0x70 || (code[at] & 0xfc) == 0xe0 || code[at] == 0xeb))
		return leads_between(at + 2, (int8_t)code[at + 1], probe);
	if (at + 5 > size || (code[at] != 0xe9 && (code[at] & 0xf0) != 0x80))
		return false;
	memcpy(&distance, code + at + 1, sizeof(distance));
	return leads_between(at + 5, distance, probe);
}

/* May a loop of the function pass the probe a second time? Its code is decoded, and what cannot be
 * is searched byte by byte. */
static bool is_in_loop(const uint8_t *code, size_t size, size_t probe)
{
	struct insn insn;
	size_t at = 0;

	if (!probe)
		return false;
	if (size > MAX_SEARCHED)
		size = MAX_SEARCHED;
	for (; at < size && insn_decode(code + at, size - at, &insn); at += insn.size)
		if ((insn.flow == INSN_BRANCH || insn.flow == INSN_JUMP) &&
			leads_between(at + insn.size, insn.distance, probe))
			return true;
	for (; at < size; at++)
		if (may_jump_back(code, size, at, probe))
			return true;
	return false;
}

/* ---- the probe ------------------------------------------------------------------------------ */

bool x86_64_find_probe(const uint8_t *code, size_t size, struct heap_site *site)
{
	struct state state = at_entry;
	struct insn insn;

	site->emulated = true;
	for (size_t at = 0; at < size && at < MAX_PROLOGUE; at += insn.size) {
		if (!insn_decode(code + at, size - at, &insn) || !find_registers(&state, site))
			break;
		site->probe = at;
		if (insn.emulated && !is_in_loop(code, size, at))
			return true;
		if (insn.flow != INSN_NEXT)
			break;
		step(&state, &insn);
	}
	site->emulated = false;
	site->probe = 0;
	find_registers(&at_entry, site);
	return insn_decode(code, size, &insn) && !insn.refused;
}

bool x86_64_is_emulated(const uint8_t *code, size_t size)
{
	struct insn insn;

	return insn_decode(code, size, &insn) && insn.emulated;
}

/* ---- jumps to other functions --------------------------------------------------------------- */

#define CALL	      0xe8
#define JMP	      0xe9
#define BND	      0xf2 /* a prefix */
#define INDIRECT      0xff /* of a word that lies at a distance: */
#define CALL_WORD     0x15
#define JMP_WORD      0x25
#define DIRECT_SIZE   5
#define INDIRECT_SIZE 6

static bool is_jump(const uint8_t *code, size_t size, uint64_t address, struct site_jump *to)
{
	size_t length = *code == INDIRECT ? INDIRECT_SIZE : DIRECT_SIZE;
	int32_t distance;

	if (size < length || (*code != CALL && *code != JMP && *code != INDIRECT) ||
		(*code == INDIRECT && code[1] != CALL_WORD && code[1] != JMP_WORD))
		return false;
	memcpy(&distance, code + length - sizeof(distance), sizeof(distance));
	*to = (struct site_jump){
		.target = address + length + (uint64_t)(int64_t)distance,
		.indirect = *code == INDIRECT,
	};
	return true;
}

bool x86_64_find_jump(
	const uint8_t *code, size_t size, uint64_t address, size_t *offset, struct site_jump *to)
{
	while (*offset < size) {
		size_t at = (*offset)++;

		if (is_jump(code + at, size - at, address + at, to))
			return true;
	}
	return false;
}

bool x86_64_forwards(const uint8_t *code, size_t size, uint64_t address, struct site_jump *to)
{
	struct insn insn;
	size_t at = 0;

	while (at < size && at < MAX_PROLOGUE && insn_decode(code + at, size - at, &insn) &&
		insn.flow == INSN_NEXT)
		at += insn.size;
	if (at >= size || at >= MAX_PROLOGUE || insn.refused)
		return false;
	at += code[at] == BND;
	if (at >= size || (code[at] != JMP && code[at] != INDIRECT) ||
		!is_jump(code + at, size - at, address + at, to))
		return false;
	return to->indirect ? code[at + 1] == JMP_WORD : to->target - address >= size;
}

/* ---- instructions ---------------------------------------------------------------------------- */

/* The word that an instruction jumps or calls through; 0: it does that otherwise. */
static uint64_t word_of(const uint8_t *code, const struct insn *insn, uint64_t address)
{
	const uint8_t *last = code + insn->size - INDIRECT_SIZE;
	int32_t distance;

	if (insn->size < INDIRECT_SIZE || last[0] != INDIRECT ||
		last[1] != (insn->flow == INSN_CALL ? CALL_WORD : JMP_WORD))
		return 0;
	memcpy(&distance, last + 2, sizeof(distance));
	return address + insn->size + (uint64_t)(int64_t)distance;
}

bool x86_64_step(const uint8_t *code, size_t size, uint64_t address, struct site_step *out)
{
	static const enum site_flow flows[] = {
		[INSN_NEXT] = SITE_NEXT,
		[INSN_BRANCH] = SITE_BRANCH,
		[INSN_JUMP] = SITE_JUMP,
		[INSN_CALL] = SITE_CALL,
		[INSN_RETURN] = SITE_RETURN,
		[INSN_AWAY] = SITE_JUMP,
		[INSN_END] = SITE_END,
	};
	struct insn insn;

	if (!insn_decode(code, size, &insn) || (insn.flow == INSN_RETURN && insn.refused))
		return false;
	*out = (struct site_step){.size = insn.size, .flow = flows[insn.flow]};
	if (insn.flow == INSN_AWAY || (insn.flow == INSN_CALL && !insn.distance)) {
		out->to.target = word_of(code, &insn, address);
		out->to.indirect = out->to.target;
	} else {
		out->to.target = address + insn.size + (uint64_t)(int64_t)insn.distance;
	}
	return insn.flow != INSN_AWAY || out->to.indirect;
}

const struct sites_arch sites_arch_x86_64 = {
	.machine = EM_X86_64,
	.find_probe = x86_64_find_probe,
	.is_emulated = x86_64_is_emulated,
	.forwards = x86_64_forwards,
	.find_jump = x86_64_find_jump,
	.step = x86_64_step,
	.parse_operand = x86_64_parse_operand,
};
