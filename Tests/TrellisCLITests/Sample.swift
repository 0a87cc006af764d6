import Protobuf

@testable import trellis

/// A small API to try the CLI's parts on.
enum Sample {
    static let color = CatalogEnum(
        fullName: "sample.PaintColor",
        values: [("PAINT_COLOR_UNSPECIFIED", ""), ("PAINT_COLOR_RED", "Red."), ("PAINT_COLOR_SKY_BLUE", "Blue.")]
    )

    static let make = CatalogMethod(
        service: "sample.v1.PaintService",
        name: "MakePot",
        comment: "Makes a pot. More.",
        input: "sample.MakePotRequest",
        output: "sample.Pot",
        permission: "paint.write",
        scope: "any key",
        writes: true
    )

    static let list = CatalogMethod(
        service: "sample.v1.PaintService",
        name: "ListPots",
        comment: "Lists pots.",
        input: "sample.ListPotsRequest",
        output: "sample.ListPotsResponse"
    )

    static let catalog: Catalog = {
        var name = CatalogField(
            name: "display_name",
            jsonName: "displayName",
            kind: .string,
            comment: "The name. Long."
        )
        name.isRequired = true
        var tags = CatalogField(name: "tags", jsonName: "tags", kind: .string)
        tags.isRepeated = true
        var labels = CatalogField(name: "labels", jsonName: "labels", kind: .message("sample.LabelsEntry"))
        labels.isMap = true
        var id = CatalogField(name: "id", jsonName: "id", kind: .string)
        id.isOutputOnly = true
        let color = CatalogField(name: "color", jsonName: "color", kind: .enumeration("sample.PaintColor"))
        let expire = CatalogField(
            name: "expire_time",
            jsonName: "expireTime",
            kind: .message("google.protobuf.Timestamp")
        )
        var pots = CatalogField(name: "pots", jsonName: "pots", kind: .message("sample.Pot"))
        pots.isRepeated = true
        let messages = [
            CatalogMessage(
                fullName: "sample.MakePotRequest",
                fields: [
                    name, tags, labels, color, expire,
                    CatalogField(name: "size", jsonName: "size", kind: .integer),
                    CatalogField(name: "empty", jsonName: "empty", kind: .bool),
                    CatalogField(name: "wait", jsonName: "wait", kind: .message("google.protobuf.Duration")),
                    CatalogField(name: "mask", jsonName: "mask", kind: .message("google.protobuf.FieldMask")),
                    CatalogField(name: "maker", jsonName: "maker", kind: .message("sample.Maker")),
                    CatalogField(name: "data", jsonName: "data", kind: .bytes),
                    CatalogField(name: "request_id", jsonName: "requestId", kind: .string),
                ]
            ),
            CatalogMessage(
                fullName: "sample.Maker",
                fields: [
                    id, CatalogField(name: "first_name", jsonName: "firstName", kind: .string),
                    CatalogField(name: "age", jsonName: "age", kind: .integer),
                ]
            ),
            CatalogMessage(
                fullName: "sample.Pot",
                fields: [
                    id, name, color, expire,
                    CatalogField(name: "maker", jsonName: "maker", kind: .message("sample.Maker")),
                ]
            ),
            CatalogMessage(
                fullName: "sample.ListPotsRequest",
                fields: [CatalogField(name: "page_token", jsonName: "pageToken", kind: .string)]
            ),
            CatalogMessage(
                fullName: "sample.ListPotsResponse",
                fields: [pots, CatalogField(name: "next_page_token", jsonName: "nextPageToken", kind: .string)]
            ),
        ]
        return Catalog(
            services: [
                CatalogService(fullName: "sample.v1.PaintService", comment: "Paint.", methods: [make, list])
            ],
            messages: Dictionary(uniqueKeysWithValues: messages.map { ($0.fullName, $0) }),
            enums: [Self.color.fullName: Self.color]
        )
    }()
}
