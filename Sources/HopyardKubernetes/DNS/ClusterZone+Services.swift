import HopyardWire

extension ClusterZone {
  /// Answers for a Service, its ports and its endpoints.
  func service(_ request: ClusterQuery, _ question: DNSQuestion, _ zone: DNSName)
    async throws(Miss) -> Found
  {
    guard isShown(request.namespace) else { throw .noName }
    if request.isNamespaceOnly {
      guard names.hasNamespace(request.namespace) else { throw .noName }
      return Found()
    }
    guard let object = names.service(request.namespace, request.service),
      let service = object.service
    else { throw .noName }
    let slices = names.slices(request.namespace, request.service)
    if options.ignoresEmptyServices, !service.isHeadless, service.type != "ExternalName" {
      let isEmpty = !slices.contains { $0.slice?.endpoints.contains { $0.ready ?? true } ?? false }
      if isEmpty { throw .noName }
    }
    if service.type == "ExternalName" {
      // An alias has neither endpoints nor ports of its own.
      guard request.endpoint.isEmpty, request.zone == nil, request.port.isEmpty,
        request.ipProtocol.isEmpty
      else { throw .noName }
      return try await external(service, question)
    }
    if !request.port.isEmpty || !request.ipProtocol.isEmpty, question.type != .srv,
      ![.a, .aaaa].contains(question.type)
    {
      return Found()
    }
    var backends: [Backend] = []
    if service.isHeadless || !request.endpoint.isEmpty {
      backends = endpoints(request, service, slices)
      guard !backends.isEmpty || request.zone != nil else { throw .noName }
    } else {
      guard request.zone == nil else { throw .noName }
      backends = cluster(request, service)
      guard !backends.isEmpty else { throw .noName }
    }
    return records(backends, request, question, zone)
  }

  // MARK: Backends

  private func isAsked(_ name: String, _ ipProtocol: IPProtocol, _ request: ClusterQuery) -> Bool {
    if !request.port.isEmpty, request.port != name.lowercased() { return false }
    if !request.ipProtocol.isEmpty,
      request.ipProtocol != KubeProtocol.text(ipProtocol).lowercased()
    {
      return false
    }
    return true
  }

  private func cluster(_ request: ClusterQuery, _ service: ServiceObject) -> [Backend] {
    var found: [Backend] = []
    for port in service.ports where isAsked(port.name, port.ipProtocol, request) {
      for text in service.clusterIPs {
        guard let address = KubeAddress.parse(text) else { continue }
        found.append(
          Backend(
            address: address,
            target: nil,
            port: port.port,
            host: ""
          )
        )
      }
    }
    return found
  }

  private func endpoints(
    _ request: ClusterQuery,
    _ service: ServiceObject,
    _ slices: [KubeObject]
  ) -> [Backend] {
    var found: [Backend] = []
    func add(onlyZone: String?) {
      for object in slices {
        guard let slice = object.slice else { continue }
        let ports = slice.ports.isEmpty ? [EndpointSlice.Port()] : slice.ports
        let source = object.meta.labels["multicluster.kubernetes.io/source-cluster"] ?? ""
        for endpoint in slice.endpoints
        where endpoint.ready ?? true || service.publishesNotReady {
          if let onlyZone, endpoint.zone != onlyZone { continue }
          for text in endpoint.addresses {
            guard let address = KubeAddress.parse(text) else { continue }
            let host = hostname(endpoint, address)
            if !request.endpoint.isEmpty, request.endpoint != host.lowercased() { continue }
            if !request.cluster.isEmpty, request.cluster != source.lowercased() { continue }
            for port in ports where isAsked(port.name, port.ipProtocol, request) {
              let backend = Backend(
                address: address,
                target: nil,
                port: port.port ?? 0,
                host: source.isEmpty ? host : "\(host).\(source)"
              )
              if !found.contains(backend) { found.append(backend) }
            }
          }
        }
      }
    }
    guard let zone = request.zone else {
      add(onlyZone: nil)
      return found
    }
    add(onlyZone: zone.name)
    if found.isEmpty && !zone.isStrict { add(onlyZone: nil) }
    return found
  }

  // MARK: Records

  private func records(
    _ backends: [Backend],
    _ request: ClusterQuery,
    _ question: DNSQuestion,
    _ zone: DNSName
  ) -> Found {
    var found = Found()
    switch question.type {
    case .a, .aaaa:
      for backend in backends {
        let data: DNSRecordData? =
          switch (backend.address, question.type) {
          case (.v4(let address), .a): .a(address)
          case (.v6(let address), .aaaa): .aaaa(address)
          default: nil
          }
        guard let data else { continue }
        let record = DNSRecord(question.name, ttl: options.ttl, data)
        if !found.answers.contains(record) { found.answers.append(record) }
      }
    case .srv: found = serviceRecords(backends, request, question, zone)
    default: break
    }
    return found
  }

  private func serviceRecords(
    _ backends: [Backend],
    _ request: ClusterQuery,
    _ question: DNSQuestion,
    _ zone: DNSName
  ) -> Found {
    var found = Found()
    let weight = UInt16(clamping: 100 / max(1, backends.count))
    let base = "\(request.service).\(request.namespace).svc"
    for backend in backends {
      guard let address = backend.address,
        let target = name(backend.host.isEmpty ? base : "\(backend.host).\(base)", zone)
      else { continue }
      let record = DNSRecord(
        question.name,
        ttl: options.ttl,
        .srv(priority: 0, weight: weight, port: backend.port, target: target)
      )
      if !found.answers.contains(record) { found.answers.append(record) }
      let data: DNSRecordData =
        switch address {
        case .v4(let v4): .a(v4)
        case .v6(let v6): .aaaa(v6)
        }
      let glue = DNSRecord(target, ttl: options.ttl, data)
      if !found.additionals.contains(glue) { found.additionals.append(glue) }
    }
    return found
  }

  // MARK: ExternalName

  private func external(_ service: ServiceObject, _ question: DNSQuestion) async throws(Miss)
    -> Found
  {
    guard let target = DNSName(service.externalName) else { throw .failure }
    let alias = DNSRecord(question.name, ttl: options.ttl, .cname(target))
    var found = Found()
    switch question.type {
    case .cname:
      found.answers = [alias]
    case .a, .aaaa:
      found.answers = [alias]
      let more = DNSQuestion(target, question.type)
      let response: DNSMessage?
      if zone(of: target) != nil {
        var query = DNSMessage(query: target, question.type, id: 0)
        query.questions = [more]
        response = await respond(to: query)
      } else {
        response = await upstream?(more)
      }
      found.answers += response?.answers ?? []
    case .srv:
      for port in service.ports {
        found.answers.append(
          DNSRecord(
            question.name,
            ttl: options.ttl,
            .srv(priority: 0, weight: 100, port: port.port, target: target)
          )
        )
      }
    default: break
    }
    return found
  }
}
