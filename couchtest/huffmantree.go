package couchtest

// huffman builds the code for symbols that occur so often, none longer than
// limit bits. There are many shortest codes: which one it is follows from the
// order in which zlib's heap gives up symbols that occur equally often.
func huffman(frequency []int, limit int) *code {
	h := heap{
		frequency: append([]int(nil), frequency...),
		depth:     make([]int, len(frequency), 2*len(frequency)),
		nodes:     make([]int, 1, len(frequency)+1),
	}
	c := &code{bits: make([]int, len(frequency)), last: -1}
	for s, f := range frequency {
		if f > 0 {
			h.nodes = append(h.nodes, s)
			c.last = s
		}
	}
	for len(h.nodes) <= 2 { // a code needs two symbols
		s := 0
		if c.last < 2 {
			c.last++
			s = c.last
		}
		h.frequency[s] = 1
		h.nodes = append(h.nodes, s)
	}
	for k := (len(h.nodes) - 1) / 2; k >= 1; k-- {
		h.down(k)
	}
	order, parent := h.build()
	c.measure(order, parent, limit)
	c.assign()
	return c
}

// heap holds nodes, rarest first, from index 1. Nodes above the alphabet are
// those that join two others.
type heap struct {
	nodes     []int
	frequency []int // by node
	depth     []int // by node: the longest way down
}

func (h *heap) less(a, b int) bool {
	return h.frequency[a] < h.frequency[b] || h.frequency[a] == h.frequency[b] && h.depth[a] <= h.depth[b]
}

// down moves the node at index k to its place.
func (h *heap) down(k int) {
	v := h.nodes[k]
	for j := 2 * k; j < len(h.nodes); j *= 2 {
		if j+1 < len(h.nodes) && h.less(h.nodes[j+1], h.nodes[j]) {
			j++
		}
		if h.less(v, h.nodes[j]) {
			break
		}
		h.nodes[k] = h.nodes[j]
		k = j
	}
	h.nodes[k] = v
}

// build joins the two rarest nodes until one is left. It returns the nodes
// from the last one, the root, to the first that was taken.
func (h *heap) build() (order []int, parent map[int]int) {
	parent = make(map[int]int)
	for len(h.nodes) > 2 {
		a := h.nodes[1]
		h.nodes[1] = h.nodes[len(h.nodes)-1]
		h.nodes = h.nodes[:len(h.nodes)-1]
		h.down(1)
		b := h.nodes[1]
		order = append(order, a, b)
		joined := len(h.frequency)
		h.frequency = append(h.frequency, h.frequency[a]+h.frequency[b])
		h.depth = append(h.depth, max(h.depth[a], h.depth[b])+1)
		parent[a], parent[b] = joined, joined
		h.nodes[1] = joined
		h.down(1)
	}
	order = append(order, h.nodes[1])
	for i, j := 0, len(order)-1; i < j; i, j = i+1, j-1 {
		order[i], order[j] = order[j], order[i]
	}
	return order, parent
}

// measure sets the length of each symbol's code: its distance from the root,
// or less where that is beyond limit and others have to give way.
func (c *code) measure(order []int, parent map[int]int, limit int) {
	length := map[int]int{order[0]: 0}
	var count [maxBits + 1]int
	overflow := 0
	for _, n := range order[1:] {
		bits := length[parent[n]] + 1
		if bits > limit {
			bits = limit
			overflow++
		}
		length[n] = bits
		if n < len(c.bits) {
			c.bits[n] = bits
			count[bits]++
		}
	}
	if overflow == 0 {
		return
	}
	for ; overflow > 0; overflow -= 2 {
		bits := limit - 1
		for count[bits] == 0 {
			bits--
		}
		count[bits]--
		count[bits+1] += 2
		count[limit]--
	}
	i := len(order)
	for bits := limit; bits > 0; bits-- {
		for n := count[bits]; n > 0; {
			i--
			if s := order[i]; s < len(c.bits) {
				c.bits[s] = bits
				n--
			}
		}
	}
}
