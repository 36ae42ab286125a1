-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION set_views() RETURNS trigger AS $$
BEGIN
    NEW.views := coalesce(NEW.views, 0);
    RETURN NEW;
END;
$$ LANGUAGE plpgsql;
-- +goose StatementEnd
CREATE TRIGGER set_views BEFORE INSERT ON "Post" FOR EACH ROW EXECUTE FUNCTION set_views();
