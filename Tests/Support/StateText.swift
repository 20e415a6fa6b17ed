/// The final state of every namespace of a recording.
struct StateText {
  private let recording: Recording
  private let names: LabNames
  private let filter: TextFilter

  private struct Section {
    var title: String
    var rows: [String]
  }

  init(_ recording: Recording, names: LabNames, filter: TextFilter) {
    self.recording = recording
    self.names = names
    self.filter = filter
  }

  /// The whole text: a section for each kind of state that a namespace has.
  func text() -> String {
    var lines: [String] = []
    for namespace in recording.namespaces {
      for section in sections(of: namespace) {
        let rows = section.rows.filter { !$0.trimmed.isEmpty }
        if !rows.isEmpty { lines += ["## \(namespace) \(section.title)"] + rows + [""] }
      }
    }
    return lines.joined(separator: "\n")
  }

  private func sections(of namespace: String) -> [Section] {
    let links = recording.stateList("link.json", of: namespace)
    var sections = [Section(title: "link", rows: links.map(linkRow))]
    if names.showsIPv6 { sections += ipv6Sections(of: namespace) }
    sections += [
      Section(title: "addr", rows: addressRows(recording.stateList("addr.json", of: namespace))),
      Section(
        title: "route",
        rows: routeRows(
          recording.stateList("route.json", of: namespace),
          fields: ["gateway", "dev", "prefsrc", "scope", "protocol", "metric", "mtu"]
        )
      ),
      Section(
        title: "rule",
        rows: ruleRows(
          recording.stateList("rule.json", of: namespace),
          default: [
            "priority 0 src all table local", "priority 32766 src all table main",
            "priority 32767 src all table default",
          ]
        )
      ),
      Section(
        title: "neigh",
        rows: neighbourRows(recording.stateList("neigh.json", of: namespace))
      ),
      Section(title: "fdb", rows: forwardingRows(of: namespace, links: links)),
      Section(
        title: "iptables-save",
        rows: rulesetRows(recording.stateText("iptables-save.txt", of: namespace))
      ),
      Section(
        title: "conntrack",
        rows: filter.apply(to: recording.stateText("conntrack.txt", of: namespace)).newlineSeparated
          .sorted(by: TextForm.precedes)
      ),
      Section(title: "ipset", rows: setRows(recording.stateText("ipset.txt", of: namespace))),
    ]
    return sections
  }

  private func ipv6Sections(of namespace: String) -> [Section] {
    let routes = routeRows(
      recording.stateList("route6.json", of: namespace),
      fields: ["gateway", "dev", "prefsrc", "protocol", "metric"],
      showsMetrics: false,
      filter: filter.apply(to:)
    )
    let rules = ruleRows(
      recording.stateList("rule6.json", of: namespace),
      default: ["priority 0 src all table local", "priority 32766 src all table main"]
    )
    return [
      Section(title: "addr6", rows: address6Rows(recording.stateList("addr6.json", of: namespace))),
      Section(title: "route6", rows: routes),
      Section(title: "rule6", rows: rules),
      Section(
        title: "neigh6",
        rows: neighbour6Rows(recording.stateList("neigh6.json", of: namespace))
      ),
      Section(
        title: "ip6tables-save",
        rows: rulesetRows(recording.stateText("ip6tables-save.txt", of: namespace))
      ),
    ]
  }

  // MARK: Links and addresses

  private static let linkFlags = ["UP", "LOWER_UP", "NO-CARRIER", "M-DOWN", "NOARP"]

  private func linkRow(_ link: JSONValue) -> String {
    let listed = link["flags"]?.elements.compactMap(\.string) ?? []
    var flags = StateText.linkFlags.filter(listed.contains)
    var state = text(link["operstate"])
    // The carrier is there; the kernel notes it up to a second later.
    if flags.contains("LOWER_UP"), state == "DOWN" {
      flags.removeAll { $0 == "NO-CARRIER" }
      state = "UP"
    }
    let name = (text(link["ifname"]) + " " + (link["linkinfo"]?["info_kind"]?.string ?? "")).trimmed
    let row = "\(name) mtu \(text(link["mtu"])) [\(flags.joined(separator: ","))] state \(state) "
    return (row + fields(of: link, ["master"])).trimmed
  }

  private func addresses(_ list: [JSONValue], family: String) -> [(link: JSONValue, JSONValue)] {
    list.flatMap { link in
      (link["addr_info"]?.elements ?? []).filter { $0["family"]?.string == family }.map {
        (link, $0)
      }
    }
  }

  private func addressRows(_ list: [JSONValue]) -> [String] {
    addresses(list, family: "inet").map { link, address in
      "\(text(link["ifname"])) \(text(address["local"]))/\(text(address["prefixlen"])) "
        + fields(of: address, ["address", "broadcast", "scope"])
    }
  }

  private func address6Rows(_ list: [JSONValue]) -> [String] {
    addresses(list, family: "inet6").map { link, address in
      let row =
        "\(text(link["ifname"])) \(text(address["local"]))/\(text(address["prefixlen"])) "
        + fields(of: address, ["address", "scope"])
      let flags = ["tentative", "dadfailed", "deprecated", "nodad", "dynamic"]
        .filter { address[$0]?.isTrue == true }
      return filter.apply(to: row + flags.map { " " + $0 }.joined())
    }
  }

  // MARK: Routes and rules

  private func routeRows(
    _ list: [JSONValue],
    fields wanted: [String],
    showsMetrics: Bool = true,
    filter: (String) -> String = { $0 }
  ) -> [String] {
    let rows = list.map { route in
      var words = [
        (route["table"]?.text ?? "main") + ":", route["type"]?.text ?? "unicast",
        text(route["dst"]),
        fields(of: route, wanted),
      ]
      words += (route["nexthops"]?.elements ?? []).map {
        "nexthop " + fields(of: $0, ["gateway", "dev", "weight"])
      }
      words += (route["flags"]?.elements ?? []).map(\.text)
      if showsMetrics {
        for metrics in route["metrics"]?.elements ?? [] {
          words += metrics.members.sorted { TextForm.precedes($0.name, $1.name) }
            .map { "\($0.name) \($0.value.text)" }
        }
      }
      return filter(words.filter { !$0.isEmpty }.joined(separator: " "))
    }
    return rows.sorted(by: TextForm.precedes)
  }

  private static let ruleFields = [
    "priority", "not", "src", "srclen", "dst", "dstlen", "iif", "oif", "fwmark", "fwmask",
    "ipproto",
    "sport", "dport", "action", "table",
  ]

  /// No rows when the rules are those of every new namespace.
  private func ruleRows(_ list: [JSONValue], default usual: [String]) -> [String] {
    let rows = list.map { fields(of: $0, StateText.ruleFields) }
    return rows == usual ? [] : rows
  }

  // MARK: Neighbours and forwarding

  private func neighbourRows(_ list: [JSONValue]) -> [String] {
    let rows = list.map { entry in
      "\(text(entry["dst"])) \(entry["dev"]?.text ?? "-") "
        + "\(names.mac(entry["lladdr"]?.text ?? "-")) \(states(entry).joined(separator: ","))"
    }
    return rows.sorted(by: TextForm.precedes)
  }

  private func neighbour6Rows(_ list: [JSONValue]) -> [String] {
    let rows = list.filter { !states($0).contains("NOARP") }.map { entry in
      filter.apply(
        to: "\(text(entry["dst"])) \(entry["dev"]?.text ?? "-") "
          + "\(names.mac(entry["lladdr"]?.text ?? "-")) "
          + "\(entry["router"] == nil ? "" : "router ")\(states(entry).joined(separator: ","))"
      )
    }
    return rows.sorted(by: TextForm.precedes)
  }

  private func states(_ entry: JSONValue) -> [String] {
    (entry["state"]?.elements ?? []).map(\.text)
  }

  private func forwardingRows(of namespace: String, links: [JSONValue]) -> [String] {
    var filtering: Set<String> = []
    for link in links where link["linkinfo"]?["info_data"]?["vlan_filtering"]?.isTrue == true {
      filtering.insert(text(link["ifname"]))
    }
    var rows: [String] = []
    for entry in recording.stateList("fdb.json", of: namespace) {
      let mac = text(entry["mac"])
      let name = text(entry["ifname"])
      if mac.hasPrefix("33:33") || mac.hasPrefix("01:") { continue }
      // Kernels with VLAN filtering built in list VLAN 1 even where nothing filters.
      let isFiltering = filtering.contains(name) || filtering.contains(entry["master"]?.text ?? "")
      if entry["vlan"] != nil, !isFiltering { continue }
      let owner = names.mac(mac, listedOn: LabNames.Interface(namespace: namespace, name: name))
      let details = fields(of: entry, ["dst", "vni", "via", "vlan", "master", "flags"])
      let row = "\(name) \(owner) \(details) \(entry["state"]?.text ?? "")"
      rows.append(row.words.joined(separator: " "))
    }
    return rows.sorted(by: TextForm.precedes)
  }

  // MARK: Rulesets and sets

  /// Tables in order of name, without those that are empty and accept everything.
  private func rulesetRows(_ text: String) -> [String] {
    var tables: [[String]] = []
    var table: [String]?
    for line in filter.apply(to: text).newlineSeparated {
      if let rows = table, line == "COMMIT" {
        let isUsed = rows.contains {
          $0.hasPrefix("[") || $0.hasPrefix(":") && !Needle(" ACCEPT ").occurs(in: $0)
        }
        if isUsed { tables.append(rows) }
        table = nil
      } else if table != nil || line.hasPrefix("*") {
        table = (table ?? []) + [line]
      }
    }
    return tables.sorted { $0.lexicographicallyPrecedes($1, by: TextForm.precedes) }.flatMap { $0 }
  }

  private static let sizeWords: Set<String> = ["hashsize", "initval", "bucketsize"]

  /// Sets in the order they were made with their members sorted, without hash sizes and seeds.
  private func setRows(_ text: String) -> [String] {
    var sets: [(name: String, row: String)] = []
    var members: [String: [String]] = [:]
    for row in filter.apply(to: text).trimmed.newlineSeparated {
      let words = row.words
      guard words.count > 1 else { continue }
      if words[0] == "create" {
        sets.append((words[1], withoutSizes(row)))
      } else if words[0] == "add" {
        members[words[1], default: []].append(row)
      }
    }
    return sets.flatMap { [$0.row] + (members[$0.name] ?? []).sorted(by: TextForm.precedes) }
  }

  private func withoutSizes(_ row: String) -> String {
    var words: [Substring] = []
    var isValue = false
    for word in row.split(separator: " ", omittingEmptySubsequences: false) {
      if isValue {
        isValue = false
      } else if StateText.sizeWords.contains(String(word)) {
        isValue = true
      } else {
        words.append(word)
      }
    }
    return words.joined(separator: " ")
  }

  // MARK: Fields

  private func text(_ value: JSONValue?) -> String { value?.text ?? "None" }

  /// The wanted members that have a value, each with its name.
  private func fields(of item: JSONValue, _ wanted: [String]) -> String {
    wanted.compactMap { name in
      switch item[name] {
      case nil, .null, .string(""), .array([]): nil
      case .some(let value): "\(name) \(value.text)"
      }
    }.joined(separator: " ")
  }
}
