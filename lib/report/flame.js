// SPDX-License-Identifier: MIT
// flame.js - what the SVG and the page have in common: the tree of frames, zoom, search, keys and
// the state in the URL. It knows nothing of how they draw.
"use strict";

// Frames are columns in the order of a walk from left to right: a frame, then what it calls.
class Flame {
	constructor(depths, widths, names) {
		const n = depths.length;
		const path = [];
		const filled = new Float64Array(n); // of each frame, by what it calls
		this.depths = depths;
		this.widths = widths;
		this.names = names;
		this.length = n;
		this.parents = new Int32Array(n);
		this.lefts = new Float64Array(n);
		this.ends = new Int32Array(n).fill(n); // behind the last frame that it calls
		for (let i = 0; i < n; i++) {
			while (path.length > depths[i]) this.ends[path.pop()] = i;
			const parent = path.length ? path[path.length - 1] : -1;
			this.parents[i] = parent;
			if (parent >= 0) {
				this.lefts[i] = this.lefts[parent] + filled[parent];
				filled[parent] += widths[i];
			}
			path.push(i);
		}
	}

	calls(outer, inner) {
		return outer <= inner && inner < this.ends[outer];
	}

	// Where a frame is, in shares of the picture, when `zoom` fills it; null: not to be seen.
	place(i, zoom) {
		if (i !== zoom && this.calls(i, zoom)) return { left: 0, width: 1, faded: true };
		if (!this.calls(zoom, i)) return null;
		const whole = this.widths[zoom] || 1;
		return {
			left: (this.lefts[i] - this.lefts[zoom]) / whole,
			width: i === zoom ? 1 : this.widths[i] / whole,
			faded: false,
		};
	}

	// Which frames match, and the share of all that lies in or below them: what matches within
	// a match is not counted again.
	search(expression) {
		const matched = new Uint8Array(this.length);
		const known = new Map();
		let sum = 0;
		let count = 0;
		let counted = 0;
		for (let i = 0; i < this.length; i++) {
			const name = this.names[i];
			let hit = known.get(name);
			if (hit === undefined) known.set(name, (hit = expression.test(name)));
			if (!hit) continue;
			matched[i] = 1;
			count++;
			if (i < counted) continue;
			sum += this.widths[i];
			counted = this.ends[i];
		}
		return { matched, count, share: this.widths[0] > 0 ? sum / this.widths[0] : 0 };
	}

	// The frame that an arrow key leads to from i, among those that `zoom` shows.
	neighbour(i, direction, zoom) {
		if (direction === "parent") return this.parents[i] < 0 ? i : this.parents[i];
		if (direction === "child") {
			let widest = -1;
			for (let c = i + 1; c < this.ends[i]; c = this.ends[c])
				if (widest < 0 || this.widths[c] > this.widths[widest]) widest = c;
			return widest < 0 || !this.place(widest, zoom) ? i : widest;
		}
		const step = direction === "right" ? 1 : -1;
		for (let k = i + step; k > zoom && k < this.ends[zoom]; k += step)
			if (this.depths[k] === this.depths[i]) return k;
		return i;
	}
}

// A regular expression that does not care for case unless it has capitals. Throws a SyntaxError.
function flameExpression(text) {
	return new RegExp(text, /\p{Lu}/u.test(text.replace(/\\./g, "")) ? "" : "i");
}

// As much of a name as fits into so many columns of a fixed-width font.
function flameFit(name, columns) {
	if (columns < 3) return "";
	const letters = Array.from(name.length > 600 ? name.slice(0, 600) : name);
	let used = 0;
	let fits = 0; // letters that leave room for the dots
	for (let i = 0; i < letters.length; i++) {
		used += letters[i].codePointAt(0) >= 0x3000 ? 2 : 1;
		if (used > columns) return letters.slice(0, fits).join("") + "…";
		if (used < columns) fits = i + 1;
	}
	return letters.join("");
}

function flamePercent(share) {
	return (100 * share).toFixed(2) + "%";
}

// The state lies behind the '#' of the URL: zoom=NUMBER&search=EXPRESSION and what else there is.
function flameReadState() {
	const all = new URLSearchParams(location.hash.slice(1));
	return {
		zoom: Number.parseInt(all.get("zoom"), 10) || 0,
		search: all.get("search") || "",
		all,
	};
}

// `step`: one that the browser's back button undoes.
function flameWriteState(changes, step) {
	const all = flameReadState().all;
	for (const [key, value] of Object.entries(changes))
		if (value) all.set(key, value);
		else all.delete(key);
	const hash = "#" + all;
	if (hash === (location.hash || "#")) return;
	// A picture in another page may not touch the URL: it works without.
	try {
		if (step) history.pushState(null, "", hash);
		else history.replaceState(null, "", hash);
	} catch {
		return;
	}
}

// What a key means: "search", "leave", "zoom", "out", "home", or a direction; null for others.
function flameKey(event, inverted) {
	if ((event.ctrlKey || event.metaKey) && event.key === "f") return "search";
	if (event.ctrlKey || event.metaKey || event.altKey) return null;
	const keys = {
		"/": "search",
		F3: "search",
		Escape: "leave",
		Enter: "zoom",
		Backspace: "out",
		Home: "home",
		ArrowLeft: "left",
		ArrowRight: "right",
		ArrowUp: inverted ? "parent" : "child",
		ArrowDown: inverted ? "child" : "parent",
	};
	return keys[event.key] || null;
}
