/// The keys of scenario files.
enum ScenarioKeys {
  private static let texts = KeyType.either([.text, .list(.text)])

  static let interface = KeyTable(
    "interface",
    "A network card.",
    [
      Key("addresses", texts, "Its addresses, such as 192.0.2.1/24."),
      Key("mac", .text, "Its MAC address."),
      Key("mtu", .integer, "Its MTU."),
    ]
  )

  private static let machineKeys: [Key] = [
    Key(
      "interfaces",
      .either([.list(.text), .map(.either([texts, .table(interface)]))]),
      "Network cards by name, each with its addresses; a list of names makes cards without."
    ),
    Key("namespaces", .list(.text), "Further network namespaces."),
    Key("routes", texts, "Routes, as `ip route add` takes them."),
    Key("forward", .boolean, "Whether it forwards packets (net.ipv4.ip_forward)."),
    Key(
      "sysctls",
      .map(.either([.text, .integer])),
      "Kernel settings, as `sysctl -w` takes them."
    ),
    Key("files", .map(.text), "Files, by their paths."),
    Key("listen", texts, "Ports that are served: `80`, `53/udp`, `5432/tcp postgres`."),
    Key("setup", texts, "Commands that run before the first step."),
  ]

  static let machine = KeyTable("machine", "A machine: one kernel.", machineKeys)

  static let link = KeyTable(
    "link",
    "A cable between two network cards, or a switch.",
    [
      Key("cable", .list(.text), "Two cards, each as machine/interface."),
      Key("switch", .text, "The name of a switch."),
      Key("ports", .list(.text), "The cards at the switch, each as machine/interface."),
      Key("rate", .rate, "Bits per second, such as 100mbit; 0 takes no time."),
      Key("delay", .duration, "How long a bit travels, such as 5ms."),
      Key("loss", .ratio, "How likely a frame is lost, such as 1% or 0.01."),
      Key("queue", .integer, "How many frames may wait in each direction."),
    ]
  )

  static let domain = KeyTable(
    "domain",
    "A domain of the Internet.",
    [
      Key("server", .text, "The address of its name server.", isRequired: true),
      Key("records", .text, "Lines of a zone file, without SOA and NS.", isRequired: true),
    ]
  )

  static let internet = KeyTable(
    "internet",
    "The outside world: a machine `internet` with name servers and servers.",
    machineKeys + [
      Key("domains", .map(.table(domain)), "Domains, with their servers and records."),
      Key("resolvers", .list(.text), "Addresses of open resolvers, such as 9.9.9.9."),
      Key("hosts", .list(.text), "Addresses at which `listen` is served."),
    ]
  )

  static let docker = KeyTable(
    "docker host",
    "A machine on which dockerd runs.",
    machineKeys + [
      Key("compose", .anything, "A compose file: its path, or the file itself."),
      Key("profile", .choice(["docker20", "docker29"]), "Which dockerd's rules it writes."),
      Key("userland-proxy", .boolean, "Whether docker-proxy listens on published ports."),
      Key(
        "serve",
        .map(texts),
        "What services serve, in place of what is assumed: `5432/tcp postgres`."
      ),
    ]
  )

  static let cluster = KeyTable(
    "cluster",
    "A Kubernetes cluster.",
    [
      Key("nodes", .either([.integer, .list(.text), .map(.table(machine))]), "Its nodes."),
      Key("manifests", .anything, "Manifests: paths, or the objects themselves."),
      Key(
        "cni",
        .choice(["flannel", "flannel-vxlan", "flannel-host-gw", "bridge", "calico", "calico-ipip"]),
        "Which plugin makes the pods' network."
      ),
      Key("pod-cidr", .text, "The network of the pods."),
      Key("service-cidr", .text, "The network of the services."),
    ]
  )

  static let step = KeyTable(
    "step",
    "Commands on a machine.",
    [
      Key("run", .text, "The commands.", isRequired: true),
      Key("name", .text, "A name for expectations."),
      Key("on", .text, "The machine, container or pod; may be left out where there is one."),
      Key("in", .text, "A network namespace of that machine."),
      Key("at", .duration, "The virtual time at which it starts, at the earliest."),
      Key("background", .boolean, "Whether the next step does not wait for its end."),
    ]
  )

  private static let flowKeys: [Key] = [
    Key("from", .text, "The sender: a machine, container or pod.", isRequired: true),
    Key(
      "to",
      .text,
      "The receiver and port: a name, address or service, as web:80.",
      isRequired: true
    ),
    Key("proto", .choice(["tcp", "udp", "icmp"]), "The protocol; tcp where a port is given."),
    Key("in", .text, "A network namespace of the sender."),
    Key("by", .text, "The rule that decides, as `filter FORWARD 3` or its text."),
    Key("fate", .text, "How the packet ends, in the words of Docs/Explanations.md."),
  ]

  static let flow = KeyTable("flow", "One flow: a packet and its answer.", flowKeys)

  static let frames = KeyTable(
    "frames",
    "Frames at an interface.",
    [
      Key("on", .text, "The machine, container or pod.", isRequired: true),
      Key("in", .text, "A network namespace of that machine."),
      Key("at", .text, "The interface.", isRequired: true),
      Key("filter", .text, "Which frames, as tcpdump takes it.", isRequired: true),
      Key("direction", .choice(["in", "out"]), "Received or sent; both where left out."),
      Key("count", .integer, "Exactly how many."),
      Key("least", .integer, "How many at least; 1 where nothing is said."),
    ]
  )

  static let counter = KeyTable(
    "counter",
    "The counters of a rule.",
    [
      Key("on", .text, "The machine, container or pod.", isRequired: true),
      Key("in", .text, "A network namespace of that machine."),
      Key("table", .text, "The table; filter where left out."),
      Key("chain", .text, "The chain.", isRequired: true),
      Key(
        "rule",
        .either([.integer, .text]),
        "Its number, its text, or `policy`.",
        isRequired: true
      ),
      Key("packets", .integer, "How many packets."),
      Key("bytes", .integer, "How many bytes."),
    ]
  )

  static let resolution = KeyTable(
    "resolution",
    "A name's answer.",
    [
      Key("name", .text, "The name.", isRequired: true),
      Key("from", .text, "Who asks: a machine, container or pod.", isRequired: true),
      Key("in", .text, "A network namespace of that machine."),
      Key("to", texts, "The addresses in any order, or `nothing`.", isRequired: true),
    ]
  )

  static let expectation = KeyTable(
    "expectation",
    "What must hold in the end; the expectations are looked at in order.",
    [
      Key("step", .text, "A step's name; with exit, output, contains, lacks, within."),
      Key("exit", .integer, "The step's exit status."),
      Key("output", .text, "The step's whole output, without blank space at its ends."),
      Key("contains", texts, "Texts in the step's output."),
      Key("lacks", texts, "Texts that the step's output lacks."),
      Key("within", .duration, "How long the step takes at most; without a step, the whole run."),
      Key("reachable", .table(flow), "A flow whose answer comes back."),
      Key("refused", .table(flow), "A flow that is answered with a reset or an error."),
      Key("dropped", .table(flow), "A flow that gets no answer, since something drops it."),
      Key("seen", .table(frames), "Frames that are seen at an interface."),
      Key("never", .table(frames), "Frames that are never seen there."),
      Key("counter", .table(counter), "The counters of a rule."),
      Key("resolves", .table(resolution), "A name's answer."),
      Key("because", .text, "Why, in words; printed when it does not hold."),
    ]
  )

  static let options = KeyTable(
    "options",
    "How the scenario runs.",
    [
      Key("seed", .integer, "The seed of all random choices."),
      Key("until", .duration, "When the run ends at the latest, in virtual time."),
      Key("iptables", .choice(["nft", "legacy"]), "Which variant plain iptables is."),
      Key("profile", .choice(["docker20", "docker29"]), "Which dockerd's rules are written."),
    ]
  )

  static let scenario = KeyTable(
    "scenario",
    "A network, what happens in it, and what must hold in the end.",
    [
      Key("title", .text, "What the scenario shows, in one line."),
      Key("about", .text, "The lesson: one idea, what to see, a question."),
      Key("machines", .map(.table(machine)), "Machines by name."),
      Key("links", .list(.either([.list(.text), .table(link)])), "Cables and switches."),
      Key("internet", .table(internet), "The outside world."),
      Key("docker", .map(.table(docker)), "Docker hosts by name."),
      Key("clusters", .map(.table(cluster)), "Kubernetes clusters by name."),
      Key("steps", .list(.either([.text, .table(step)])), "What happens, in order."),
      Key("expect", .list(.table(expectation)), "What must hold in the end."),
      Key("options", .table(options), "How it runs."),
    ]
  )
}
