import HopyardContainers
import HopyardUserland

extension ScenarioReader {
  /// Reads what must hold.
  func expectation(_ node: YAMLNode) throws(Problem) -> Scenario.Expectation {
    let fields = try fields(node, ScenarioKeys.expectation)
    let kinds = ["step", "reachable", "refused", "dropped", "seen", "never", "counter", "resolves"]
    let given = kinds.filter { fields[$0] != nil }
    guard given.count <= 1 else {
      throw node.problem(
        "an expectation is one of " + given.map { "`\($0)'" }.joined(separator: ", ") + ", not more"
      )
    }
    if given.first != "step" {
      for key in ["exit", "output", "contains", "lacks"] {
        if let value = fields[key] { throw value.problem("`\(key)' needs the name of a `step'") }
      }
      if given.first != nil, let within = fields["within"] {
        throw within.problem("`within' stands alone or with a `step'")
      }
    }
    let claim = try claim(given.first, fields, node)
    return Scenario.Expectation(
      node: node,
      claim: claim,
      because: try fields["because"]?.string("`because'")
    )
  }

  private func claim(
    _ kind: String?,
    _ fields: YAMLFields,
    _ node: YAMLNode
  ) throws(Problem) -> Scenario.Claim {
    guard let kind, let value = fields[kind] else {
      if let within = fields["within"] { return .within(try within.duration("`within'")) }
      throw node.problem(
        "an expectation needs one of step, reachable, refused, dropped, seen, never, counter, "
          + "resolves, within"
      )
    }
    switch kind {
    case "step":
      let claim = Scenario.Claim.step(
        Scenario.Text(text: try value.string("`step'"), node: value),
        exit: try fields["exit"]?.int("`exit'", in: 0...255),
        output: try fields["output"]?.string("`output'"),
        contains: try texts(fields["contains"], "`contains'").map(\.text),
        lacks: try texts(fields["lacks"], "`lacks'").map(\.text),
        within: try fields["within"]?.duration("`within'")
      )
      let keys = ["exit", "output", "contains", "lacks", "within"]
      guard keys.contains(where: { fields[$0] != nil }) else {
        throw node.problem("a `step' needs one of exit, output, contains, lacks, within")
      }
      return claim
    case "reachable": return .reachable(try flow(value, kind))
    case "refused": return .refused(try flow(value, kind))
    case "dropped": return .dropped(try flow(value, kind))
    case "seen": return .seen(try frames(value, kind))
    case "never": return .never(try frames(value, kind))
    case "counter": return try counter(value)
    default: return try resolution(value)
    }
  }

  private func required(_ fields: YAMLFields, _ key: String) throws(Problem) -> Scenario.Text {
    let node = try fields.required(key)
    return Scenario.Text(text: try node.string("`\(key)'"), node: node)
  }

  private func flow(_ node: YAMLNode, _ kind: String) throws(Problem) -> Scenario.Flow {
    let fields = try fields(node, ScenarioKeys.flow)
    var flow = Scenario.Flow(from: try required(fields, "from"), to: try required(fields, "to"))
    flow.ipProtocol = try fields["proto"]?.choice("`proto'", ["tcp", "udp", "icmp"])
    flow.namespace = try text(fields, "in")
    flow.by = try fields["by"]?.string("`by'")
    flow.fate = try fields["fate"]?.string("`fate'")
    if kind == "reachable", let extra = fields["by"] ?? fields["fate"] {
      throw extra.problem(
        "`reachable' means that nothing ends the flow: `by' and `fate' have no place"
      )
    }
    return flow
  }

  private func frames(_ node: YAMLNode, _ kind: String) throws(Problem) -> Scenario.Frames {
    let fields = try fields(node, ScenarioKeys.frames)
    var frames = Scenario.Frames(
      on: try required(fields, "on"),
      interface: try required(fields, "at"),
      filter: try required(fields, "filter")
    )
    frames.namespace = try text(fields, "in")
    frames.direction = try fields["direction"]?.choice("`direction'", ["in", "out"])
    frames.count = try fields["count"]?.int("`count'", in: 0...Int.max)
    frames.least = try fields["least"]?.int("`least'", in: 0...Int.max)
    if kind == "never", let extra = fields["count"] ?? fields["least"] {
      throw extra.problem("`never' means none: `count' and `least' have no place")
    }
    return frames
  }

  private func counter(_ node: YAMLNode) throws(Problem) -> Scenario.Claim {
    let fields = try fields(node, ScenarioKeys.counter)
    var counter = Scenario.Counter(
      on: try required(fields, "on"),
      table: try fields["table"]?.string("`table'") ?? "filter",
      chain: try required(fields, "chain").text,
      rule: try required(fields, "rule")
    )
    counter.namespace = try text(fields, "in")
    counter.packets = try fields["packets"]?.int("`packets'", in: 0...Int.max)
    counter.bytes = try fields["bytes"]?.int("`bytes'", in: 0...Int.max)
    guard counter.packets != nil || counter.bytes != nil else {
      throw node.problem("a counter needs `packets' or `bytes'")
    }
    return .counter(counter)
  }

  private func resolution(_ node: YAMLNode) throws(Problem) -> Scenario.Claim {
    let fields = try fields(node, ScenarioKeys.resolution)
    var addresses = try texts(fields["to"], "`to'").map(\.text)
    if addresses == ["nothing"] { addresses = [] }
    return .resolves(
      name: try required(fields, "name").text,
      from: try required(fields, "from"),
      namespace: try text(fields, "in"),
      to: addresses
    )
  }
}
