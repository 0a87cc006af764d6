-- Widgets: every form of query that the generator knows. This comment is the file's.

-- Makes one.
-- name: WidgetInsert :one Widget
INSERT INTO widget (tenant_id, widget_id, display_name, code, color, amount, weight, tags, attributes)
VALUES (@tenant_id, @widget_id, @display_name, @code?, @color, @amount, @weight?, @tags, @attributes::jsonb)
RETURNING widget_id AS id, display_name, code, color, amount, weight, create_time, expire_time, tags,
    attributes::text AS attributes_json;

-- name: WidgetList :many Widget
SELECT widget_id AS id, display_name, code, color, amount, weight, create_time, expire_time, tags,
    attributes::text AS attributes_json
FROM widget
WHERE tenant_id = @tenant_id AND widget_id > @after -- the comment at the end of a line goes
    AND display_name <> 'it''s @not_a_parameter' AND (tags @> @tags::text[] OR @tags::text[] IS NULL)
ORDER BY widget_id
LIMIT @count;

-- Fields of a submessage stand in columns of their own.
-- name: WidgetMeasure :one Widget
SELECT widget_id AS id, amount AS size_width, 2 * amount AS size_height
FROM widget
WHERE tenant_id = @tenant_id AND widget_id = @widget_id;

-- name: WidgetCount :one
SELECT count(*) AS total, max(create_time) AS newest
-- nullable: newest
FROM widget
WHERE tenant_id = @tenant_id;

-- Its neighbour may not be there.
-- name: WidgetNeighbours :many WidgetPair
SELECT w.widget_id, n.widget_id AS next_id, w.tags
FROM trellis.widget AS w
LEFT JOIN widget AS n ON n.tenant_id = w.tenant_id AND n.widget_id > w.widget_id
-- not null: widget_id, tags
WHERE w.tenant_id = @tenant_id;

-- name: WidgetDelete :exec
DELETE FROM widget
WHERE tenant_id = @tenant_id AND widget_id = ANY(@widget_ids);
