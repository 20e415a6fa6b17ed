import HopyardContainers
import HopyardUserland

/// Reads scenario files.
struct ScenarioReader {
  private let file: String

  init(file: String) { self.file = file }

  mutating func read(_ text: String) throws(Problem) -> Scenario {
    let root = try YAMLDocuments.parseOne(text, file: file)
    let fields = try fields(root, ScenarioKeys.scenario)
    var directory = file.split(separator: "/", omittingEmptySubsequences: false).dropLast()
      .joined(separator: "/")
    if directory.isEmpty { directory = file.hasPrefix("/") ? "/" : "." }
    var scenario = Scenario(file: file, directory: directory, source: text)
    scenario.title = try fields["title"]?.string("the title") ?? ""
    scenario.about = try fields["about"]?.string("the lesson") ?? ""
    if let node = fields["options"] { try readOptions(node, &scenario) }
    for (name, node) in try named(fields, "machines") {
      scenario.machines.append(try machine(name, node, self.fields(node, ScenarioKeys.machine)))
    }
    if let node = fields["internet"] { scenario.internet = try internet(node) }
    for (name, node) in try named(fields, "docker") {
      scenario.docker.append(try docker(name, node))
    }
    for (name, node) in try named(fields, "clusters") {
      scenario.clusters.append(try cluster(name, node))
    }
    for node in try fields["links"]?.sequence("`links'") ?? [] {
      scenario.links.append(try link(node))
    }
    for node in try fields["steps"]?.sequence("`steps'") ?? [] {
      scenario.steps.append(try step(node))
    }
    for node in try fields["expect"]?.sequence("`expect'") ?? [] {
      scenario.expectations.append(try expectation(node))
    }
    try checkNames(scenario, root)
    return scenario
  }

  // MARK: Pieces

  /// The entries of a mapping with the keys of a table, and no others.
  func fields(_ node: YAMLNode, _ table: KeyTable) throws(Problem) -> YAMLFields {
    let article = "aeiou".contains(table.name.first ?? "x") ? "an" : "a"
    let fields = try node.fields("\(article) \(table.name)")
    try fields.refuseUnknown(table.names)
    for key in table.keys where key.isRequired { _ = try fields.required(key.name) }
    return fields
  }

  private func named(
    _ fields: YAMLFields,
    _ key: String
  ) throws(Problem) -> [(String, YAMLNode)] {
    var list: [(String, YAMLNode)] = []
    for field in try fields[key]?.fields("`\(key)'").entries ?? [] {
      let isName =
        !field.name.isEmpty && field.name.utf8.count <= 63
        && field.name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != 0x2f && $0 != 0x3a }
      guard isName else {
        throw field.key.problem(
          "`\(field.name)' is no name: expected letters, digits, `-', `.', `_'"
        )
      }
      list.append((field.name, field.value))
    }
    return list
  }

  func text(_ fields: YAMLFields, _ key: String) throws(Problem) -> Scenario.Text? {
    guard let node = fields[key] else { return nil }
    return Scenario.Text(text: try node.string("`\(key)'"), node: node)
  }

  func texts(_ node: YAMLNode?, _ what: String) throws(Problem) -> [Scenario.Text] {
    guard let node else { return [] }
    if let text = node.text { return [Scenario.Text(text: text, node: node)] }
    var list: [Scenario.Text] = []
    for item in try node.sequence(what) {
      list.append(Scenario.Text(text: try item.string("an item of \(what)"), node: item))
    }
    return list
  }

  private func readOptions(_ node: YAMLNode, _ scenario: inout Scenario) throws(Problem) {
    let fields = try fields(node, ScenarioKeys.options)
    if let seed = fields["seed"] { scenario.seed = UInt64(try seed.int("`seed'", in: 0...Int.max)) }
    if let until = fields["until"] { scenario.limit = try until.duration("`until'") }
    if let variant = fields["iptables"] {
      scenario.iptables =
        try variant.choice("`iptables'", ["nft", "legacy"]) == "nft" ? .nft : .legacy
    }
    if let profile = fields["profile"] {
      scenario.profile = try profile.choice("`profile'", ["docker20", "docker29"])
    }
  }

  // MARK: Machines

  private func machine(
    _ name: String,
    _ node: YAMLNode,
    _ fields: YAMLFields
  ) throws(Problem) -> Scenario.Machine {
    var machine = Scenario.Machine(name: name, node: node)
    if let node = fields["interfaces"] { machine.interfaces = try interfaces(node) }
    machine.namespaces = try texts(fields["namespaces"], "`namespaces'")
    machine.routes = try texts(fields["routes"], "`routes'")
    machine.forwards = try fields["forward"]?.bool("`forward'") ?? false
    for field in try fields["sysctls"]?.fields("`sysctls'").entries ?? [] {
      let value = Scenario.Text(text: try field.value.string("`\(field.name)'"), node: field.value)
      machine.settings.append((field.name, value))
    }
    for field in try fields["files"]?.fields("`files'").entries ?? [] {
      guard field.name.hasPrefix("/") else {
        throw field.key.problem("`\(field.name)' is no absolute path")
      }
      machine.files.append((field.name, try field.value.string("`\(field.name)'")))
    }
    machine.listens = try texts(fields["listen"], "`listen'")
    machine.setup = try texts(fields["setup"], "`setup'")
    return machine
  }

  private func interfaces(_ node: YAMLNode) throws(Problem) -> [Scenario.Interface] {
    var list: [Scenario.Interface] = []
    if node.items != nil {
      for item in try node.sequence("`interfaces'") {
        list.append(Scenario.Interface(name: try item.string("an interface"), node: item))
      }
      return list
    }
    for field in try node.fields("`interfaces'").entries {
      var interface = Scenario.Interface(name: field.name, node: field.key)
      if field.value.entries != nil {
        let fields = try fields(field.value, ScenarioKeys.interface)
        interface.addresses = try texts(fields["addresses"], "`addresses'")
        interface.mac = try text(fields, "mac")
        interface.mtu = try fields["mtu"]?.int("`mtu'", in: 68...65_535)
      } else if !field.value.isNull {
        interface.addresses = try texts(field.value, "the addresses of `\(field.name)'")
      }
      list.append(interface)
    }
    return list
  }

  private func internet(_ node: YAMLNode) throws(Problem) -> Scenario.Internet {
    let fields = try fields(node, ScenarioKeys.internet)
    var internet = Scenario.Internet(machine: try machine("internet", node, fields))
    for field in try fields["domains"]?.fields("`domains'").entries ?? [] {
      let domain = try self.fields(field.value, ScenarioKeys.domain)
      guard let server = try text(domain, "server"), let records = try text(domain, "records")
      else { continue }
      internet.domains.append((field.name, server, records))
    }
    internet.resolvers = try texts(fields["resolvers"], "`resolvers'")
    internet.hosts = try texts(fields["hosts"], "`hosts'")
    return internet
  }

  private func docker(_ name: String, _ node: YAMLNode) throws(Problem) -> Scenario.Docker {
    let fields = try fields(node, ScenarioKeys.docker)
    var docker = Scenario.Docker(machine: try machine(name, node, fields))
    docker.compose = fields["compose"]
    docker.profile = try fields["profile"]?.choice("`profile'", ["docker20", "docker29"])
    docker.usesProxy = try fields["userland-proxy"]?.bool("`userland-proxy'")
    for field in try fields["serve"]?.fields("`serve'").entries ?? [] {
      let service = Scenario.Text(text: field.name, node: field.key)
      docker.serves.append((service, try texts(field.value, "`serve'")))
    }
    return docker
  }

  private func cluster(_ name: String, _ node: YAMLNode) throws(Problem) -> Scenario.Cluster {
    let fields = try fields(node, ScenarioKeys.cluster)
    var cluster = Scenario.Cluster(name: name, node: node)
    if let nodes = fields["nodes"] {
      try readNodes(nodes, &cluster)
    } else {
      makeNodes(2, node, &cluster)
    }
    cluster.manifests = fields["manifests"]
    if let cni = fields["cni"] {
      guard
        case .choice(let words) = ScenarioKeys.cluster.keys.first(where: { $0.name == "cni" })?.type
      else { return cluster }
      cluster.cni = try cni.choice("`cni'", words)
    }
    cluster.podCIDR = try text(fields, "pod-cidr")
    cluster.serviceCIDR = try text(fields, "service-cidr")
    return cluster
  }

  /// Reads the nodes: how many, the names of machines, or machines of their own.
  private func readNodes(_ node: YAMLNode, _ cluster: inout Scenario.Cluster) throws(Problem) {
    if node.integer != nil {
      makeNodes(try node.int("`nodes'", in: 1...200), node, &cluster)
    } else if let items = node.items {
      for item in items {
        cluster.nodeNames.append(
          Scenario.Text(text: try item.string("a node"), node: item)
        )
      }
    } else {
      for field in try node.fields("`nodes'").entries {
        let fields = try fields(field.value, ScenarioKeys.machine)
        cluster.machines.append(try machine(field.name, field.value, fields))
        cluster.nodeNames.append(Scenario.Text(text: field.name, node: field.key))
      }
    }
  }

  /// Nodes `n1`, `n2`, … with addresses from 192.168.56.11 on.
  private func makeNodes(_ count: Int, _ node: YAMLNode, _ cluster: inout Scenario.Cluster) {
    for number in 1...count {
      var machine = Scenario.Machine(name: "n\(number)", node: node)
      let address = Scenario.Text(text: "192.168.56.\(10 + number)/24", node: node)
      machine.interfaces = [Scenario.Interface(name: "eth0", addresses: [address], node: node)]
      // As on real nodes: what no other route takes is forwarded, and so meets the rules.
      machine.routes = [Scenario.Text(text: "default via 192.168.56.1", node: node)]
      cluster.machines.append(machine)
      cluster.nodeNames.append(Scenario.Text(text: machine.name, node: node))
    }
  }

  // MARK: Links

  private func link(_ node: YAMLNode) throws(Problem) -> Scenario.Link {
    if node.items != nil {
      let ports = try texts(node, "a cable")
      guard ports.count == 2 else { throw node.problem("a cable has 2 ends, not \(ports.count)") }
      return Scenario.Link(node: node, ports: ports)
    }
    let fields = try fields(node, ScenarioKeys.link)
    var link = Scenario.Link(node: node, ports: [])
    if let cable = fields["cable"] {
      if let other = fields["switch"] ?? fields["ports"] {
        throw other.problem("a link is a `cable' or a `switch' with `ports', not both")
      }
      link.ports = try texts(cable, "`cable'")
      guard link.ports.count == 2 else {
        throw cable.problem("a cable has 2 ends, not \(link.ports.count)")
      }
    } else {
      guard let name = fields["switch"] else {
        throw node.problem("a link needs `cable: [A, B]' or `switch: NAME' with `ports'")
      }
      link.name = try name.string("`switch'")
      link.ports = try texts(fields["ports"], "`ports'")
    }
    link.rate = try fields["rate"]?.rate("`rate'")
    link.delay = try fields["delay"]?.duration("`delay'")
    link.loss = try fields["loss"]?.ratio("`loss'")
    link.queue = try fields["queue"]?.int("`queue'", in: 1...1_000_000)
    return link
  }

  // MARK: Steps

  private func step(_ node: YAMLNode) throws(Problem) -> Scenario.Step {
    if let text = node.text {
      return Scenario.Step(node: node, run: Scenario.Text(text: text, node: node))
    }
    let fields = try fields(node, ScenarioKeys.step)
    let run = try fields.required("run")
    var step = Scenario.Step(
      node: node,
      run: Scenario.Text(text: try run.string("`run'"), node: run)
    )
    step.name = try fields["name"]?.string("`name'")
    step.on = try text(fields, "on")
    step.namespace = try text(fields, "in")
    step.start = try fields["at"]?.duration("`at'")
    step.isBackground = try fields["background"]?.bool("`background'") ?? false
    return step
  }

  // MARK: Names

  /// Refuses names that are there twice, and steps that nobody named.
  private func checkNames(_ scenario: Scenario, _ root: YAMLNode) throws(Problem) {
    var seen: Set<String> = []
    var all = scenario.machines.map { ($0.name, $0.node) }
    all += scenario.docker.map { ($0.machine.name, $0.machine.node) }
    all += scenario.clusters.map { ($0.name, $0.node) }
    all += scenario.clusters.flatMap(\.machines).map { ($0.name, $0.node) }
    if let internet = scenario.internet { all.append(("internet", internet.machine.node)) }
    for (name, node) in all where !seen.insert(name).inserted {
      throw node.problem("the name `\(name)' is given twice")
    }
    var steps: Set<String> = []
    for step in scenario.steps {
      if let name = step.name, !steps.insert(name).inserted {
        throw step.node.problem("the step `\(name)' is there twice")
      }
    }
    for expectation in scenario.expectations {
      guard case .step(let name, _, _, _, _, _) = expectation.claim else { continue }
      if !steps.contains(name.text) {
        let known = steps.sorted().joined(separator: ", ")
        throw name.node.problem(
          "no step is named `\(name.text)'"
            + (known.isEmpty ? "; give one a `name'" : ", only \(known)")
        )
      }
    }
  }
}
