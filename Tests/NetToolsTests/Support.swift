import HopyardUserland

/// Runs a lab and gives what it printed.
func output(of text: String) -> String {
  let lab = Lab(name: "test.lab", text: text)
  guard lab.problems.isEmpty else {
    return lab.problems.map { "\($0)" }.joined(separator: "\n")
  }
  _ = lab.run()
  defer { lab.close() }
  let session = lab.runner.session
  return session.lines.indices
    .map { String(decoding: session.output(of: $0), as: UTF8.self) }
    .joined()
}

/// What is wrong with a lab before it runs.
func problems(in text: String) -> [String] {
  Lab(name: "test.lab", text: text).problems.map { "\($0)" }
}

/// Two namespaces on one cable.
let pair = """
  ip netns add a
  ip netns add b
  ip link add eth0 netns a type veth peer name eth0 netns b
  ip -n a addr add 10.0.0.1/24 dev eth0
  ip -n b addr add 10.0.0.2/24 dev eth0
  ip -n a link set eth0 up
  ip -n b link set eth0 up

  """
