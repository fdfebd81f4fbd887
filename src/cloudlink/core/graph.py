"""The order of nodes, for creation and for removal."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import TopologicalSorter
from typing import Any

from cloudlink.core.resource import Node


class Graph:
    """Nodes by address, with their needs and their dependents. Raises graphlib.CycleError for a cycle."""

    def __init__(self, nodes: Iterable[Node[Any]]) -> None:
        self.nodes: dict[str, Node[Any]] = {}
        for node in nodes:
            if node.address in self.nodes:
                raise ValueError(f"two nodes have the address {node.address}")
            self.nodes[node.address] = node
        self.needs: dict[str, tuple[str, ...]] = {}
        self.dependents: dict[str, list[str]] = {address: [] for address in self.nodes}
        for address, node in self.nodes.items():
            self.needs[address] = tuple(n.address for n in node.needs())
            for need in self.needs[address]:
                if need not in self.nodes:
                    raise ValueError(f"{address} needs {need}, which is not in the graph")
                self.dependents[need].append(address)
        self.order = tuple(TopologicalSorter(self.needs).static_order())
        """Every node after all that it needs."""

    def below(self, addresses: Iterable[str]) -> frozenset[str]:
        """These and everything they need, directly or not."""
        seen: set[str] = set()
        todo = list(addresses)
        while todo:
            address = todo.pop()
            if address not in seen:
                seen.add(address)
                todo.extend(self.needs[address])
        return frozenset(seen)
