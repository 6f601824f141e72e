/* SPDX-License-Identifier: MIT */
#include "symbolizer/dwarf_scopes.h"

#include <dwarf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "symbolizer/nearest.h"
#include "symbolizer/protocol.h"
#include "util/grow.h"

/* Namespaces, classes, blocks and inlined calls within each other; also bounds the C stack. */
#define MAX_DEPTH  512
#define MAX_RANGES 65536 /* of one DIE */
/* DIEs of one unit: the largest units of Chromium have some ten million. */
#define MAX_DIES 100000000

struct walk {
	struct scopes *scopes;
	struct nearest index;
	bool thorough; /* look for functions inside of functions that hold no address */
	uint64_t dies;
	int error;
};

enum role { ROLE_OTHER, ROLE_CONTAINER, ROLE_BLOCK, ROLE_INLINED, ROLE_FUNCTION };

static enum role role_of(int tag)
{
	switch (tag) {
	case DW_TAG_subprogram:
		return ROLE_FUNCTION;
	case DW_TAG_inlined_subroutine:
		return ROLE_INLINED;
	case DW_TAG_lexical_block:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
	case DW_TAG_with_stmt:
		return ROLE_BLOCK;
	case DW_TAG_namespace:
	case DW_TAG_module:
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_enumeration_type: /* Rust puts methods into the type */
	case DW_TAG_interface_type:
		return ROLE_CONTAINER;
	default:
		return ROLE_OTHER;
	}
}

static uint32_t number(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value;

	if (dwarf_formudata(dwarf_attr(die, name, &attribute), &value) || value > INT32_MAX)
		return 0;
	return (uint32_t)value;
}

/* Adds the DIE as a scope; 0 after an error. */
static uint32_t add_scope(struct walk *w, Dwarf_Die *die, uint32_t parent)
{
	struct scopes *s = w->scopes;

	w->error = grow(s->all, s->n, s->capacity, 1);
	if (w->error)
		return 0;
	s->all[s->n] = (struct scope){.die = dwarf_dieoffset(die), .parent = parent};
	if (parent) {
		s->all[s->n].call_line = number(die, DW_AT_call_line);
		s->all[s->n].call_file = number(die, DW_AT_call_file);
	}
	return (uint32_t)s->n++;
}

/* What the ranges of a DIE hold. */
struct hit {
	bool any;	/* an asked address that is in the scope around it */
	uint32_t scope; /* what was made of it; 0: nothing */
};

/* Puts each address in the DIE's ranges from the scope `parent` into a new scope, or (for a block)
 * only says whether there is one. An address that another child of the same parent has taken stays
 * there, so chains stay nested whatever the file says. */
static struct hit enter(struct walk *w, Dwarf_Die *die, uint32_t parent, bool is_scope)
{
	uint32_t *innermost = w->scopes->innermost;
	struct hit hit = {0};
	Dwarf_Addr base, low, high;
	ptrdiff_t next = 0;

	for (unsigned k = 0; k < MAX_RANGES && !w->error; k++) {
		next = dwarf_ranges(die, next, &base, &low, &high);
		if (next <= 0)
			break;
		if (!low)
			continue; /* dropped by the linker */
		for (size_t i = nearest_index(&w->index, low);
			i < w->index.n && w->index.addresses[i] < high; i++) {
			if (innermost[i] != parent)
				continue;
			hit.any = true;
			if (!is_scope)
				return hit;
			if (!hit.scope)
				hit.scope = add_scope(w, die, parent);
			if (hit.scope)
				innermost[i] = hit.scope;
		}
	}
	return hit;
}

static void walk_children(struct walk *w, Dwarf_Die *parent_die, uint32_t scope, unsigned depth);

static void visit(struct walk *w, Dwarf_Die *die, uint32_t scope, unsigned depth)
{
	enum role role = role_of(dwarf_tag(die));
	bool descend = false;
	struct hit hit;

	switch (role) {
	case ROLE_FUNCTION:
		/* One inside of another (Pascal, Ada, GNU C) is a function of its own. */
		hit = enter(w, die, 0, true);
		descend = hit.any || w->thorough;
		scope = hit.scope;
		break;
	case ROLE_INLINED:
		if (!scope)
			return;
		hit = enter(w, die, scope, true);
		descend = hit.any;
		scope = hit.scope;
		break;
	case ROLE_BLOCK:
		hit = enter(w, die, scope, false);
		descend = hit.any || (w->thorough && !scope);
		break;
	case ROLE_CONTAINER:
		descend = true;
		break;
	case ROLE_OTHER:
		break;
	}
	if (descend && dwarf_haschildren(die) > 0)
		walk_children(w, die, scope, depth + 1);
}

static void walk_children(struct walk *w, Dwarf_Die *parent_die, uint32_t scope, unsigned depth)
{
	Dwarf_Die die;

	if (depth > MAX_DEPTH || dwarf_child(parent_die, &die))
		return;
	do {
		if (++w->dies > MAX_DIES)
			return;
		visit(w, &die, scope, depth);
	} while (!w->error && !dwarf_siblingof(&die, &die));
}

static bool all_found(const struct scopes *s)
{
	for (size_t i = 0; i < s->n_addresses; i++)
		if (!s->innermost[i])
			return false;
	return true;
}

int scopes_find(struct scopes *s, Dwarf_Die *unit, const uint64_t *addresses, size_t n)
{
	struct walk w = {.scopes = s, .index = {.addresses = addresses, .n = n}};

	*s = (struct scopes){.n = 1, .n_addresses = n};
	s->innermost = calloc(n + 1, sizeof(*s->innermost));
	if (!s->innermost)
		return -ENOMEM;
	w.error = grow(s->all, 0, s->capacity, 1);
	if (!w.error)
		walk_children(&w, unit, 0, 0);
	/* Functions inside of functions are rare: look for them only if something is missing. */
	if (!w.error && !all_found(s)) {
		w.thorough = true;
		w.dies = 0;
		walk_children(&w, unit, 0, 0);
	}
	return w.error;
}

void scopes_free(struct scopes *s)
{
	free(s->all);
	free(s->innermost);
	*s = (struct scopes){0};
}
