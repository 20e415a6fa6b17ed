// The example of the README, word for word.
import Hopyard
import Testing

@Test func `the other host hears one echo request`() throws {
  let lab = Lab(
    name: "two.lab",
    text: """
      ip netns add a
      ip link add v0 type veth peer name eth0 netns a
      ip addr add 10.0.0.1/24 dev v0; ip link set v0 up
      ip -n a addr add 10.0.0.2/24 dev eth0; ip -n a link set eth0 up
      ping -c 1 10.0.0.2
      """
  )
  #expect(lab.problems.isEmpty && lab.run() == .finished)
  let other = try #require(lab.machine.namespace(named: "a"))
  #expect(other.counters[.icmpInEchos] == 1)
}
